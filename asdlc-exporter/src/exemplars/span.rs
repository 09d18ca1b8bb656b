//! The span of a measurement.
//!
//! By default it is the span of the current OpenTelemetry context. The layers of this project record after the span has
//! ended. They pass the ids of the span to [`measure_in`]. A library gets this function without a dependency on this
//! crate: it creates its instruments while the current context has an [`ExemplarQuestion`] as a value. Our meters set
//! the answer in it.

use crate::{
    catch_panic::catch_panic,
    exemplars::{SpanIds, clocks, filter::ExemplarFilter},
    unix_time::UnixTime,
};
use opentelemetry::{Context, SpanId, TraceId, trace::TraceContextExt as _};
use std::{cell::Cell, sync::OnceLock, time::Instant};

/// The type of [`measure_in`].
pub(crate) type MeasureIn = fn(Option<(TraceId, SpanId, Instant)>, &mut dyn FnMut());

/// A value of a context: [`EXEMPLAR_QUESTION`], and the answer. The answer is [`measure_in`], and whether
/// measurements outside of sampled spans become exemplars too.
pub(crate) type ExemplarQuestion = (&'static str, OnceLock<(MeasureIn, bool)>);

/// The name of the question. Without a name, the type could be somebody else's.
pub(crate) const EXEMPLAR_QUESTION: &str = "asdlc-metrics: are exemplars recorded?";

thread_local! {
    static GIVEN: Given = const {
        Given {
            place: Cell::new(Place::Current),
            span: Cell::new(SpanIds { trace: [0; 16], span: [0; 8] }),
            time: Cell::new(UnixTime(0)),
        }
    };
    static CONTEXT: CurrentContext = CurrentContext::new();
}

/// What [`measure_in`] says about the measurements of this thread. The parts are in cells of their own, because most measurements
/// need only the first.
struct Given {
    place: Cell<Place>,
    /// In [`Place::Sampled`] and [`Place::Unsampled`].
    span: Cell<SpanIds>,
    /// In [`Place::Sampled`] and [`Place::Unsampled`].
    time: Cell<UnixTime>,
}

/// Exists on a thread as long as OpenTelemetry's current context can be read. A thread-local value whose destructor runs
/// later can still record: it is then outside of any span. OpenTelemetry itself panics, which ends the process.
///
/// The thread-local values of a thread are dropped in the reverse order of their creation, and this one is created after
/// the context.
struct CurrentContext {
    is_readable: bool,
}

/// Where the measurements of a thread are made.
#[derive(Clone, Copy)]
enum Place {
    /// In the span of the current context.
    Current,
    /// [`measure_in`] was given `None`: no measurement becomes an exemplar.
    Nothing,
    /// In the sampled span that [`measure_in`] was given.
    Sampled,
    /// In no span. [`measure_in`] was given ids of 0.
    Unsampled,
}

/// Calls `measure`. Its measurements on this thread belong to `span`, which has to be sampled. With ids of 0 they
/// belong to no span, and become exemplars only with [`ExemplarFilter::AlwaysOn`]. With `None` they become no
/// exemplars.
///
/// The moment is the time of all exemplars of this call, and has just passed. A library that has read this clock to measure
/// a duration passes that reading, so that no other clock is read for each call.
pub(crate) fn measure_in(span: Option<(TraceId, SpanId, Instant)>, measure: &mut dyn FnMut()) {
    let _reset = Reset { outer: place(), given: given() };
    match span {
        None => set_place(Place::Nothing),
        Some((trace, span, moment)) => {
            let span = SpanIds { trace: trace.to_bytes(), span: span.to_bytes() };
            set_place(if span.are_valid() { Place::Sampled } else { Place::Unsampled });
            set_span(span);
            // Afterwards, so that the compiler does not keep the span for it.
            set_time(clocks::unix_time(moment));
        }
    }
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
struct Reset {
    outer: Place,
    /// If [`measure_in`] was called within another call of it.
    given: Option<(SpanIds, UnixTime)>,
}

impl Drop for Reset {
    #[inline]
    fn drop(&mut self) {
        set_place(self.outer);
        if let Some((span, time)) = self.given {
            set_span(span);
            set_time(time);
        }
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

/// Whether a measurement that is made now cannot become an exemplar, wherever its thread is.
#[inline]
pub(crate) fn is_excluded() -> bool {
    matches!(place(), Place::Nothing)
}

/// Whether [`measure_in`] was given a sampled span.
#[inline]
pub(crate) fn is_sampled() -> bool {
    matches!(place(), Place::Sampled)
}

/// The span and the time of a measurement that is made now, if it [is in a sampled span](is_sampled).
#[inline]
pub(crate) fn sampled() -> (SpanIds, UnixTime) {
    GIVEN.with(|now| (now.span.get(), now.time.get()))
}

/// The span and the time of a measurement that is made now, if it can become an exemplar.
#[inline(never)]
pub(crate) fn current(filter: ExemplarFilter) -> Option<(SpanIds, UnixTime)> {
    match place() {
        Place::Nothing => None,
        Place::Sampled => given().filter(|_| filter != ExemplarFilter::AlwaysOff),
        Place::Unsampled => given().filter(|_| filter == ExemplarFilter::AlwaysOn),
        Place::Current => of_context(filter),
    }
}

#[inline]
fn place() -> Place {
    GIVEN.with(|now| now.place.get())
}

#[inline]
fn set_place(place: Place) {
    GIVEN.with(|now| now.place.set(place));
}

/// What [`measure_in`] was given, if a call has not returned.
#[inline]
fn given() -> Option<(SpanIds, UnixTime)> {
    matches!(place(), Place::Sampled | Place::Unsampled).then(sampled)
}

#[inline]
fn set_span(span: SpanIds) {
    GIVEN.with(|now| now.span.set(span));
}

#[inline]
fn set_time(time: UnixTime) {
    GIVEN.with(|now| now.time.set(time));
}

#[inline]
fn of_context(filter: ExemplarFilter) -> Option<(SpanIds, UnixTime)> {
    let ids = ids_of_context();
    let is_eligible = match filter {
        ExemplarFilter::AlwaysOn => true,
        ExemplarFilter::AlwaysOff => false,
        ExemplarFilter::TraceBased => ids.are_valid(),
    };
    is_eligible.then(|| (ids, UnixTime::now()))
}

/// The ids of the span of the current context. Zeros if there is none, or if it is not sampled: there is no trace to open.
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
