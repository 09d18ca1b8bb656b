//! The span of a measurement.
//!
//! By default it is the span of the current OpenTelemetry context. The layers of this project record after the span has
//! ended. They pass the ids of the span to [`measure_in`]. A library gets this function without a dependency on this
//! crate: it creates its instruments while the current context has an [`ExemplarQuestion`] as a value. Our meters set
//! the answer in it.

use crate::{
    catch_panic::catch_panic,
    exemplars::{SpanIds, filter::ExemplarFilter},
    unix_time::UnixTime,
};
use opentelemetry::{Context, SpanId, TraceId, trace::TraceContextExt as _};
use std::{cell::Cell, sync::OnceLock};

/// The type of [`measure_in`].
pub(crate) type MeasureIn = fn(Option<(TraceId, SpanId)>, &mut dyn FnMut());

/// A value of a context: [`EXEMPLAR_QUESTION`], and the answer. The answer is [`measure_in`], and whether
/// measurements outside of sampled spans become exemplars too.
pub(crate) type ExemplarQuestion = (&'static str, OnceLock<(MeasureIn, bool)>);

/// The name of the question. Without a name, the type could be somebody else's.
pub(crate) const EXEMPLAR_QUESTION: &str = "asdlc-metrics: are exemplars recorded?";

thread_local! {
    /// What [`measure_in`] says about the measurements of this thread.
    static MEASURED_IN: Cell<MeasuredIn> = const { Cell::new(MeasuredIn::Current) };
    static CONTEXT: CurrentContext = CurrentContext::new();
}

/// Exists on a thread as long as OpenTelemetry's current context can be read. A thread-local value whose destructor runs
/// later can still record: it is then outside of any span. OpenTelemetry itself panics, which ends the process.
///
/// The thread-local values of a thread are dropped in the reverse order of their creation, and this one is created after
/// the context.
struct CurrentContext {
    is_readable: bool,
}

#[derive(Clone, Copy)]
enum MeasuredIn {
    /// In the span of the current context.
    Current,
    /// Not in a span: no measurement becomes an exemplar.
    Nothing,
    /// In this span. The time is that of the first measurement.
    Span(SpanIds, Option<UnixTime>),
}

/// Calls `measure`. Its measurements on this thread belong to `span`, which has to be sampled. With ids of 0 they
/// belong to no span, and become exemplars only with [`ExemplarFilter::AlwaysOn`]. With `None` they become no
/// exemplars.
///
/// All exemplars of one call have the time of its first exemplar, so the clock is read once.
pub(crate) fn measure_in(span: Option<(TraceId, SpanId)>, measure: &mut dyn FnMut()) {
    let measured_in = match span {
        None => MeasuredIn::Nothing,
        Some((trace, span)) => {
            let ids = SpanIds { trace: trace.to_bytes(), span: span.to_bytes() };
            MeasuredIn::Span(ids, None)
        }
    };
    let _reset = Reset(MEASURED_IN.replace(measured_in));
    measure();
}

impl CurrentContext {
    fn new() -> Self {
        // A thread that reads it for the first time while it ends may have no context any more.
        Self { is_readable: catch_panic(|| Context::map_current(|_| ())).is_some() }
    }

    /// `None` if there is no current context any more.
    #[inline]
    fn read<T>(read: impl FnOnce(&Context) -> T) -> Option<T> {
        let read = |current: &Self| current.is_readable.then(|| Context::map_current(read));
        CONTEXT.try_with(read).ok().flatten()
    }
}

/// Without a destructor it would exist until the end.
impl Drop for CurrentContext {
    fn drop(&mut self) {}
}

/// Ends [`measure_in`], also if `measure` panics.
struct Reset(MeasuredIn);

impl Drop for Reset {
    fn drop(&mut self) {
        MEASURED_IN.set(self.0);
    }
}

/// Answers the question of the library that creates an instrument now, if it asks one.
pub(crate) fn answer(filter: ExemplarFilter) {
    CurrentContext::read(|context| {
        if let Some((EXEMPLAR_QUESTION, answer)) = context.get::<ExemplarQuestion>() {
            // The first answer stays: the instruments of one library have one meter.
            let _ = answer.set((measure_in, filter == ExemplarFilter::AlwaysOn));
        }
    });
}

/// The span and the time of a measurement that is made now, if it can become an exemplar.
#[inline]
pub(crate) fn current(filter: ExemplarFilter) -> Option<(SpanIds, UnixTime)> {
    let (ids, time) = match MEASURED_IN.get() {
        MeasuredIn::Nothing => return None,
        MeasuredIn::Current => (ids_of_context(), None),
        MeasuredIn::Span(ids, time) => (ids, time),
    };
    let is_eligible = match filter {
        ExemplarFilter::AlwaysOn => true,
        ExemplarFilter::AlwaysOff => false,
        ExemplarFilter::TraceBased => ids.are_valid(),
    };
    is_eligible.then(|| (ids, time.unwrap_or_else(|| read_clock(ids))))
}

/// The time now. It is kept for the other measurements within [`measure_in`].
fn read_clock(ids: SpanIds) -> UnixTime {
    let now = UnixTime::now();
    if let MeasuredIn::Span(..) = MEASURED_IN.get() {
        MEASURED_IN.set(MeasuredIn::Span(ids, Some(now)));
    }
    now
}

/// The ids of the span of the current context. Zeros if there is none, or if it is not sampled: there is no trace to open.
#[inline]
fn ids_of_context() -> SpanIds {
    let ids = CurrentContext::read(|context| {
        if !context.has_active_span() {
            return SpanIds::default();
        }
        let span = context.span();
        let context = span.span_context();
        if !context.is_valid() || !context.is_sampled() {
            return SpanIds::default();
        }
        SpanIds { trace: context.trace_id().to_bytes(), span: context.span_id().to_bytes() }
    });
    ids.unwrap_or_default()
}

#[cfg(test)]
mod tests;
