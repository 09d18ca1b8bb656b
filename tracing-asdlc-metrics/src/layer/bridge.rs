//! Finds the OpenTelemetry span that `tracing-opentelemetry` has made of a span (feature `tracing-opentelemetry`).
//!
//! The layer of that crate, here "the other layer", keeps it in the extensions of the span, in a private type. [`get_otel_context`]
//! returns it, with three problems:
//!
//! - It starts an OpenTelemetry span that has not started yet. Then the parent of that span can no longer be set. So it may only be
//!   called if the span has started, or starts anyway. The other layer starts a span when it is entered, and makes it the current
//!   OpenTelemetry span until it is exited (unless `with_context_activation(false)`). It also starts a span that closes.
//! - When the span closes, the other layer removes it. If that layer is called before ours, it is then gone.
//! - It takes longer than everything else that this layer does for a span.
//!
//! The current OpenTelemetry span costs little, but it may be that of another span, because a filter may hide this span from the
//! other layer. In this case it is the same at the entry and at the exit of the span. If the other layer sees the span, it is not
//! the same: if the other layer is called before ours, the one at the entry is the span's own, otherwise the one at the exit. So
//! the bridge compares both, and calls `get_otel_context` only
//!
//! - for the first span with a difference, to learn which layer is called first. Until then, for each span that closes;
//! - for the first spans of each callsite, because something else may have changed the current span. Once it has returned a
//!   span of the callsite, no filter hides the callsite;
//! - for a span that closes and was never entered, if the other layer is called after ours.

use crate::layer::known::Known;
use crate::layer::open_spans::OpenSpans;
use crate::layer::sampled_spans::SampledSpans;
use crate::layer::span_state::AtomicSpanState;
use crate::plan::plans::Plans;
use crate::record::exemplars::{SpanIds, current_span_context};
use crate::record::recording_guard::RecordingGuard;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceId};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use tracing_core::Dispatch;
use tracing_core::dispatcher::WeakDispatch;
use tracing_core::span::Id;
use tracing_opentelemetry::get_otel_context;

#[derive(Debug)]
pub(crate) struct Bridge {
    /// The subscriber that has both layers.
    dispatch: OnceLock<WeakDispatch>,
    /// An [`Order`].
    order: AtomicU8,
    sampled: SampledSpans,
}

/// The order in which the two layers are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Not known yet.
    Unknown,
    /// The other layer is called before ours, and makes spans current.
    Before,
    /// The other layer is called after ours, and makes spans current.
    After,
    /// The other layer does not make spans current. It is only asked for spans that close.
    Inactive,
    /// The other layer has panicked, and is not called again.
    Unusable,
}

/// What the other layer returns for a span.
struct Found {
    span_id: SpanId,
    sampled: Option<SpanIds>,
}

thread_local! {
    /// The number of spans that this thread has entered, and for which their exit may find the OpenTelemetry span.
    static ENTERED: Cell<usize> = const { Cell::new(0) };
    /// The last span that this thread has exited, if it was not sampled: usually it closes next.
    static NOT_SAMPLED: Cell<u64> = const { Cell::new(0) };
}

impl Bridge {
    pub(crate) fn new() -> Self {
        let (dispatch, order) = (OnceLock::new(), AtomicU8::new(Order::Unknown as u8));
        Self { dispatch, order, sampled: SampledSpans::new() }
    }

    /// Our layer has become a part of this subscriber.
    pub(crate) fn register(&self, dispatch: &Dispatch) {
        // The second dispatcher of a subscriber has the same layers as the first.
        let _ = self.dispatch.set(dispatch.downgrade());
    }

    /// The thread has entered this span.
    #[inline]
    pub(crate) fn enter(&self, open: &OpenSpans, id: &Id) {
        match self.order() {
            Order::Before | Order::After if !is_current_sampled() => {}
            Order::Before | Order::After => self.note(open, id),
            Order::Unknown => self.note_first(open, id),
            Order::Inactive | Order::Unusable => {}
        }
    }

    /// The thread exits this span.
    #[inline]
    pub(crate) fn exit(&self, plans: &Plans, open: &OpenSpans, id: &Id) {
        match self.order() {
            Order::Before if ENTERED.get() == 0 => {}
            Order::After if !is_current_sampled() && ENTERED.get() == 0 => {
                NOT_SAMPLED.set(id.into_u64());
            }
            Order::Unknown | Order::Before | Order::After => self.compare(plans, open, id),
            Order::Inactive | Order::Unusable => {}
        }
    }

    /// Returns the OpenTelemetry span of a span that closes, and forgets it.
    #[inline]
    pub(crate) fn take(
        &self,
        open: &OpenSpans,
        id: &Id,
        state: &AtomicSpanState,
    ) -> Option<SpanIds> {
        let known = state.known.get();
        match (known, self.order()) {
            (Known::NotSampled, _) => {}
            // The other layer has removed it.
            (Known::Nothing, Order::Before) => return None,
            (Known::Nothing, Order::After) if NOT_SAMPLED.get() == id.into_u64() => return None,
            _ => return self.take_known(open, id, state, known),
        }
        state.known.set(Known::Nothing);
        None
    }

    #[inline(never)]
    fn take_known(
        &self,
        open: &OpenSpans,
        id: &Id,
        state: &AtomicSpanState,
        known: Known,
    ) -> Option<SpanIds> {
        state.known.set(Known::Nothing);
        match (known, self.order()) {
            (Known::Sampled, _) => self.sampled.get(open.locate(id)?.0),
            (Known::NotSampled, _) | (_, Order::Before | Order::Unusable) => None,
            _ => self.find(id)?.sampled,
        }
    }

    /// The OpenTelemetry span of an open span, if it was found. This takes no lock: the caller handles an event, which may be
    /// emitted by code that the other layer has called with a lock.
    pub(crate) fn known(&self, open: &OpenSpans, id: &Id) -> Option<SpanIds> {
        let (position, state) = open.locate(id)?;
        if state.known.get() == Known::Sampled { self.sampled.get(position) } else { None }
    }

    #[inline]
    fn order(&self) -> Order {
        const UNKNOWN: u8 = Order::Unknown as u8;
        const BEFORE: u8 = Order::Before as u8;
        const AFTER: u8 = Order::After as u8;
        const INACTIVE: u8 = Order::Inactive as u8;
        match self.order.load(Ordering::Relaxed) {
            UNKNOWN => Order::Unknown,
            BEFORE => Order::Before,
            AFTER => Order::After,
            INACTIVE => Order::Inactive,
            _ => Order::Unusable,
        }
    }

    fn set_order(&self, order: Order) {
        self.order.store(order as u8, Ordering::Relaxed);
    }

    /// Notes the current OpenTelemetry span, which is sampled, at the entry of this span.
    #[inline(never)]
    fn note(&self, open: &OpenSpans, id: &Id) {
        self.note_as(Known::Entered, SpanIds::of_current(), open, id);
    }

    /// As [`note`](Self::note), before the order is known. The current span need not be sampled.
    #[inline(never)]
    fn note_first(&self, open: &OpenSpans, id: &Id) {
        // Only the span id is compared, later.
        let ids = |span_id| SpanIds { trace_id: TraceId::INVALID, span_id };
        self.note_as(Known::EnteredFirst, current_span_id().map(ids), open, id);
    }

    #[inline(always)]
    fn note_as(&self, note: Known, current: Option<SpanIds>, open: &OpenSpans, id: &Id) {
        let (Some(current), Some((position, state))) = (current, open.locate(id)) else {
            return;
        };
        match state.known.get() {
            Known::Nothing => {
                if state.known.claim(Known::Nothing) {
                    self.sampled.set(position, current);
                    state.known.set(note);
                    ENTERED.set(ENTERED.get() + 1);
                }
            }
            // It is entered again, or by another thread.
            Known::Entered | Known::EnteredFirst => ENTERED.set(ENTERED.get() + 1),
            Known::Changing | Known::Sampled | Known::NotSampled => {}
        }
    }

    /// Compares the current OpenTelemetry span at the exit of this span with that at its entry.
    #[inline(never)]
    fn compare(&self, plans: &Plans, open: &OpenSpans, id: &Id) {
        let Some((position, state)) = open.locate(id) else {
            return;
        };
        let known = state.known.get();
        let at_entry = match known {
            Known::Entered | Known::EnteredFirst => {
                ENTERED.set(ENTERED.get().saturating_sub(1));
                self.sampled.get(position)
            }
            Known::Nothing if self.order() != Order::Before => None,
            Known::Nothing | Known::Changing | Known::Sampled | Known::NotSampled => return,
        };
        let is_noted = known != Known::Nothing;
        if at_entry.map(|span| span.span_id) == current_span_id() {
            // Nobody has made this span current. Or it is entered once more, and a later exit finds it.
            if is_noted && state.known.claim(known) {
                state.known.set(Known::Nothing);
            }
            return;
        }
        let plan = plans.get(state.callsite());
        let is_traced = plan.is_some_and(|plan| plan.is_traced.load(Ordering::Relaxed));
        let own = match self.order() {
            Order::Before if is_traced && known == Known::Entered => at_entry,
            Order::After if is_traced && known != Known::EnteredFirst => SpanIds::of_current(),
            _ => {
                let found = self.find(id);
                if let (Some(plan), Some(_)) = (plan, &found) {
                    plan.is_traced.store(true, Ordering::Relaxed);
                }
                self.learn(found.as_ref(), at_entry);
                found.and_then(|found| found.sampled)
            }
        };
        if state.known.claim(known) {
            state.known.set(match own {
                Some(own) => {
                    self.sampled.set(position, own);
                    Known::Sampled
                }
                None if self.order() == Order::Unknown => Known::Nothing,
                None => Known::NotSampled,
            });
        }
    }

    /// Learns the order: the span that was found was current at its entry, or is so at its exit.
    fn learn(&self, found: Option<&Found>, at_entry: Option<SpanIds>) {
        let Some(Found { span_id, .. }) = found.filter(|_| self.order() == Order::Unknown) else {
            return;
        };
        self.set_order(if at_entry.is_some_and(|at_entry| at_entry.span_id == *span_id) {
            Order::Before
        } else if current_span_id() == Some(*span_id) {
            Order::After
        } else {
            // Something else has changed the current span. This span was started early, but no other will be.
            Order::Inactive
        });
    }

    /// Asks the other layer for the OpenTelemetry span of this span. It has started, or starts now.
    #[cold]
    fn find(&self, id: &Id) -> Option<Found> {
        // While this thread records, nothing is measured, and the caller of the SDK may have locks.
        if RecordingGuard::is_active() {
            return None;
        }
        let dispatch = self.dispatch.get()?.upgrade()?;
        let ask = || get_otel_context(id, &dispatch);
        let Ok(context) = catch_unwind(AssertUnwindSafe(ask)) else {
            self.set_order(Order::Unusable);
            return None;
        };
        let context = context?;
        let span = context.span();
        let context = span.span_context();
        Some(Found { span_id: context.span_id(), sampled: SpanIds::of_sampled(context) })
    }
}

#[inline]
fn is_current_sampled() -> bool {
    current_span_context(SpanContext::is_sampled).unwrap_or(false)
}

/// The current OpenTelemetry span, which need not be sampled.
fn current_span_id() -> Option<SpanId> {
    current_span_context(|context| context.is_valid().then(|| context.span_id())).flatten()
}
