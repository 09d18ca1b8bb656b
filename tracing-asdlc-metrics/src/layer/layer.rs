use crate::coverage::Coverage;
use crate::error::BuildError;
use crate::layer::capture::{Captures, Measurements};
use crate::layer::instrument_event::ended;
use crate::layer::metered::{announced, any_announced};
use crate::layer::open_spans::{Open, OpenSpans};
use crate::layer::span_state::{Signs, Slot, SpanState};
use crate::plan::callsites::CallsiteId;
use crate::plan::log_record;
use crate::plan::plan::{Plan, Plans, is_opentelemetry};
use crate::plan::rule_set::Rules;
use crate::record::label_values::MISSING;
use crate::record::recording;
use crate::rule::rule::Rule;
use opentelemetry::metrics::Meter;
use std::any::{self, TypeId};
use std::fmt;
use std::ptr;
use std::thread;
use std::time::Instant;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Interest, LevelFilter, Metadata, Subscriber};
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::{Context, Identity, Layer};
use tracing_subscriber::registry::{LookupSpan, Registry, SpanRef};

/// A [`Layer`] that measures the spans and events which its [`Rule`]s match.
///
/// ```
/// use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
/// use tracing_subscriber::prelude::*;
/// # fn build(meter: opentelemetry::metrics::Meter) -> Result<(), tracing_asdlc_metrics::BuildError> {
///
/// let metrics = SpanMetricsLayer::new(
///     &meter,
///     [Rule::span("checkout").with_counter("checkouts_total").with_duration("checkout_duration_seconds")],
/// )?;
/// let subscriber = tracing_subscriber::registry().with(metrics).with(tracing_subscriber::fmt::layer());
/// # Ok(()) }
/// ```
///
/// It can stand anywhere in the stack. One layer belongs to one subscriber, whose span ids it knows, so it is not `Clone`: for
/// two subscribers build two, from the same meter and rules; they record into the same metrics.
///
/// # Panics
///
/// Adding it to a subscriber panics where `with_filter` does: when the stack has no [`Registry`] at its root (or that of
/// `tracing_subscriber::fmt().finish()`), or already 64 filters. Measuring never panics.
pub struct SpanMetricsLayer {
    /// Stands in for this layer where layers negotiate which callsites are enabled; no span goes through it.
    filtered: Filtered<Identity, Plans, Registry>,
    open: OpenSpans,
    built: Instant,
    /// Whether the subscriber knows of that filter.
    has_filter: bool,
}

impl SpanMetricsLayer {
    /// Checks the rules, and creates their instruments at once, in this meter and nowhere else.
    ///
    /// # Errors
    ///
    /// The error names the rule, what is wrong with it, and what is allowed:
    ///
    /// - a name or a target is empty, the rule gives no metric, or has a method that is for another kind of rule;
    /// - a metric's name is not a letter followed by up to 254 of `A-Z a-z 0-9 _ . - /`, the last a letter or a digit;
    /// - a name has two kinds, units or lists of boundaries, or two spellings that are one name to a backend (`jobs.done`,
    ///   `Jobs_done`), or is given twice for the same spans;
    /// - boundaries are empty, not finite, not above 0 (of a duration) or not ascending, there is no histogram for them, or a
    ///   histogram whose unit is not `s` has none;
    /// - a method is called twice;
    /// - the number of series is out of range, or more than the rule's share where several rules record into one metric;
    /// - a label's name is not letters, digits and `_`, is there twice, or its bounds are out of theirs; there are more than
    ///   eight, or too many for one span;
    /// - a unit, an outcome or a clock stands without a metric for it.
    ///
    /// What the meter's provider itself may refuse (a view, another instrument of that name) it does not tell: it logs.
    pub fn new(meter: &Meter, rules: impl IntoIterator<Item = Rule>) -> Result<Self, BuildError> {
        let rules = Rules::new(meter, rules.into_iter().collect())?;
        Ok(Self {
            filtered: Filtered::new(Identity::new(), Plans::new(rules)),
            open: OpenSpans::new(),
            built: Instant::now(),
            has_filter: true,
        })
    }

    /// Tells which rules have matched, also when the layer is in its subscriber.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        self.plans().rules().coverage().clone()
    }

    fn plans(&self) -> &Plans {
        self.filtered.filter()
    }

    /// Nanoseconds since this layer was built: 584 years fit.
    #[inline]
    fn now(&self) -> u64 {
        let elapsed = self.built.elapsed();
        elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos())
    }

    /// Not inlined, like the three below: it would keep out what every span goes through in the layers around.
    #[inline(never)]
    fn opened<'a, S>(
        &self,
        callsite: CallsiteId,
        plan: &Plan,
        attributes: &Attributes<'_>,
        id: &Id,
        parent: impl FnOnce() -> Option<SpanRef<'a, S>>,
    ) where
        S: for<'span> LookupSpan<'span> + 'a,
    {
        if recording::in_progress() {
            return;
        }
        self.seen(plan);
        let start = if plan.timed { self.now() } else { 0 };
        let mut captures = Captures::new(&plan.captures);
        if !plan.captures.is_empty() {
            attributes.record(&mut captures);
            if plan.inherits {
                self.inherit(&mut captures, parent());
            }
        }
        let signs = if thread::panicking() { Signs::OPENED_UNWINDING } else { Signs::default() };
        let span = SpanState { callsite, start, ids: captures.ids, signs, ..SpanState::default() };
        let slot = self.open.insert(id, &span);
        if let Some(slot) = slot.filter(|_| plan.opens) {
            slot.set_in_flight(recording::opened(plan, &span));
        }
    }

    #[inline(never)]
    fn entered(&self, id: &Id) {
        if let Some((slot, plan)) = self.slot(id) {
            if thread::panicking() {
                slot.enter_unwinding();
            }
            if plan.clocked {
                slot.enter(|| self.now());
            }
        }
    }

    #[inline(never)]
    fn exited(&self, id: &Id) {
        if let Some((slot, plan)) = self.slot(id) {
            if plan.clocked {
                slot.exit(self.now());
            }
            if thread::panicking() {
                slot.exit_unwinding();
            }
            if let Some(ending) = announced(id) {
                slot.future_ended(ending, thread::panicking());
            }
        }
    }

    #[inline(never)]
    fn closed(&self, open: Open<'_>) {
        let span = open.take(|| self.now());
        if let Some(plan) = self.plans().get(span.callsite) {
            let end = if plan.timed { self.now() } else { 0 };
            recording::closed(plan, &span, end, thread::panicking());
        }
    }

    /// `target` is the event's own.
    #[inline(always)]
    fn measured<S>(
        &self,
        plan: &Plan,
        event: &Event<'_>,
        context: &Context<'_, S>,
        target: Option<&str>,
    ) where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let [first, others @ ..] = &*plan.events else {
            return;
        };
        let mut measurements = Measurements::new(&plan.captures, &first.fields);
        event.record(&mut measurements);
        if plan.inherits {
            self.inherit(&mut measurements.captures, context.event_span(event));
        }
        recording::event(first, &measurements, target);
        for batch in others {
            measurements.next(&batch.fields);
            event.record(&mut measurements);
            recording::event(batch, &measurements, target);
        }
    }

    /// An event of the `log` crate.
    #[inline(never)]
    fn logged<S>(&self, plan: &Plan, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        log_record::with_target(event, |target| {
            if is_opentelemetry(target) || plan.events_for(target).next().is_none() {
                return;
            }
            self.measured(plan, event, context, Some(target));
            let coverage = self.plans().rules().coverage();
            plan.events_for(target).for_each(|event| coverage.matched(event.rule));
        });
    }

    #[inline]
    fn seen(&self, plan: &Plan) {
        if !plan.seen.is_set() {
            self.first_seen(plan);
        }
    }

    #[cold]
    fn first_seen(&self, plan: &Plan) {
        plan.seen.set();
        plan.rules().for_each(|rule| self.plans().rules().coverage().matched(rule));
    }

    /// Fills in the values that are missing from the nearest of these spans that has one.
    #[cold]
    fn inherit<S>(&self, captures: &mut Captures<'_>, mut ancestor: Option<SpanRef<'_, S>>)
    where
        S: for<'span> LookupSpan<'span>,
    {
        while let Some(span) = ancestor.filter(|_| captures.wants_inheritance()) {
            let slot = self.open.get(&span.id());
            if let Some((slot, plan)) =
                slot.and_then(|slot| Some((slot, self.plans().get(slot.callsite())?)))
            {
                let ids = slot.ids();
                for (place, capture) in captures.missing() {
                    let id = plan.place_of(&capture.values).map_or(MISSING, |place| ids.get(place));
                    if id != MISSING {
                        captures.set(place, id);
                    }
                }
            }
            ancestor = span.parent();
        }
    }

    /// What is seen when a thread enters or exits a span: most of the time nothing.
    #[inline]
    fn slot(&self, id: &Id) -> Option<(&Slot, &Plan)> {
        let slot = self.open.get(id)?;
        Some((slot, self.plans().get(slot.callsite())?))
    }
}

impl<S> Layer<S> for SpanMetricsLayer
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_layer(&mut self, subscriber: &mut S) {
        self.has_filter = takes_filters::<S>();
        if !self.has_filter {
            return;
        }
        // The registry listens to filters once there is one. The id itself is of no use: it stands for a bit that `enabled`
        // sets and the next span or event of the thread consumes. When another layer refuses that span, or nothing follows
        // (`enabled!`), the bit is stale, and the next matched span would be lost. So `enabled` stays `true` here, no bit is
        // ever set, and the hooks below ask the plan.
        let _ = subscriber.register_filter();
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.has_filter {
            Layer::<Registry>::register_callsite(&self.filtered, metadata)
        } else {
            self.plans().find(metadata);
            Interest::always()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.plans().rules().max_level())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        // The plan decides, not whether someone enabled the span: another layer may have wanted it.
        if let Some((callsite, plan)) = self.plans().find(attributes.metadata()) {
            let parent = || context.span(id).and_then(|span| span.parent());
            self.opened(callsite, plan, attributes, id, parent);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some((slot, plan)) = self.slot(id) {
            let mut captures = Captures::new(&plan.captures);
            values.record(&mut captures);
            for place in (0..plan.captures.len()).filter(|place| captures.seen & 1 << place != 0) {
                slot.set(place, captures.ids.get(place));
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some((_, plan)) = self.plans().find(event.metadata()) else {
            return;
        };
        if recording::in_progress() {
            return;
        }
        if let Some(end) = plan.end {
            let current = context.current_span();
            let contextual = current.id().filter(|_| event.is_contextual());
            let span = event.parent().or(contextual).and_then(|id| self.slot(id));
            if let Some((slot, _)) = span.filter(|(_, span)| plan.is_end_of(span)) {
                ended(slot, end, event);
            }
        }
        if plan.events.is_empty() {
            return;
        }
        self.seen(plan);
        if plan.log {
            self.logged(plan, event, &context);
        } else {
            self.measured(plan, event, &context, None);
        }
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        if thread::panicking() || self.plans().rules().clocked() {
            self.entered(id);
        }
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        let rules = self.plans().rules();
        // How a future has ended is of interest to outcomes alone.
        let ended = rules.any_outcome() && any_announced();
        if thread::panicking() || rules.clocked() || ended {
            self.exited(id);
        }
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        if let Some(open) = self.open.find(&id) {
            self.closed(open);
        }
    }

    #[expect(
        unsafe_code,
        reason = "the one way to say that `register_callsite` and `max_level_hint` speak for this layer alone; without it \
                  they would switch off spans and levels for the whole subscriber"
    )]
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            return Some(ptr::from_ref(self).cast());
        }
        if !self.has_filter {
            return None;
        }
        // SAFETY: the contract is that the pointer is to a value of the type asked for, which lives as long as `self`.
        // `Filtered` keeps it for itself and its fields, and it is a field of `self`.
        unsafe { Layer::<Registry>::downcast_raw(&self.filtered, id) }
    }
}

/// Whether filters can be added to such a subscriber. `fmt().finish()` has a registry, and does not pass filters on to it: the
/// default of `LookupSpan::register_filter` panics. That cannot be asked for, so the type is recognised by its name. It wants every
/// span and event that its own global filter lets through, so that this layer does not need to say which ones it wants.
fn takes_filters<S>() -> bool {
    !any::type_name::<S>().contains("tracing_subscriber::fmt::Subscriber<")
}

/// What is still open has lost its close: a span whose child closed where another subscriber was the default. (Any other span
/// has a handle, and that keeps the subscriber, and so this layer.)
impl Drop for SpanMetricsLayer {
    fn drop(&mut self) {
        for slot in self.open.iter() {
            if let Some(plan) = self.plans().get(slot.callsite()) {
                recording::abandoned(plan, slot.in_flight());
            }
        }
    }
}

impl fmt::Debug for SpanMetricsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanMetricsLayer")
            .field("rules", &self.plans().rules().iter().map(|(rule, _)| rule).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
