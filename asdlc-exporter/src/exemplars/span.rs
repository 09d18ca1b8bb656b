//! The span of a measurement.
//!
//! By default it is the span of the current OpenTelemetry context. The layers of this project record after the span has
//! ended. They pass the ids of the span to [`measure_in`]. A library gets this function without a dependency on this
//! crate: it creates its instruments while the current context has an [`ExemplarQuestion`] as a value. Our meters set
//! the answer in it.

use crate::{
    catch_panic::catch_panic,
    exemplars::{
        Moment, SpanIds,
        filter::ExemplarFilter,
        sync::{Arc, Mutex, lock},
    },
};
use opentelemetry::{Context, SpanId, TraceId, trace::TraceContextExt as _};
use std::{cell::Cell, sync::OnceLock, time::Instant};

/// The type of [`measure_in`].
pub(crate) type MeasureIn = fn(Option<(TraceId, SpanId, Instant)>, &mut dyn FnMut());

/// A value of a context: [`EXEMPLAR_QUESTION`], and the answer. The answer is [`measure_in`], and whether
/// measurements outside of sampled spans become exemplars too.
pub(crate) type ExemplarQuestion = (&'static str, OnceLock<(MeasureIn, bool)>);

/// Records an exemplar with this value, in this span, at this moment. It measures nothing.
pub(crate) type ExemplarSink = Arc<dyn Fn(f64, TraceId, SpanId, Instant) + Send + Sync>;

/// A value of a context: [`SINK_QUESTION`], and the answer of the instrument that is bound while this context is current. So a
/// library can measure in batches, and record the exemplars of single measurements at once. If the instrument passes measurements
/// to instruments of several exporters, all answer.
pub(crate) type SinkQuestion = (&'static str, Mutex<Option<ExemplarSink>>);

/// The name of the question. Without a name, the type could be somebody else's.
pub(crate) const EXEMPLAR_QUESTION: &str = "asdlc-metrics: are exemplars recorded?";

/// The name of the question for the sink.
pub(crate) const SINK_QUESTION: &str = "asdlc-metrics: what records only the exemplar?";

thread_local! {
    static GIVEN: Given = const {
        Given {
            place: Cell::new(Place::Current),
            sampled: Cell::new(SpanIds::NONE),
            unsampled: Cell::new(None),
        }
    };
    static CONTEXT: CurrentContext = CurrentContext::new();
}

/// What [`measure_in`] says about the measurements of this thread. The parts are in cells of their own, because most measurements
/// need only the first.
struct Given {
    place: Cell<Place>,
    /// The span in [`Place::Sampled`].
    sampled: Cell<SpanIds>,
    /// The time in [`Place::Unsampled`].
    unsampled: Cell<Option<Moment>>,
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
    /// In no span. [`measure_in`] was given ids of 0.
    Unsampled,
    /// In the sampled span that [`measure_in`] was given, at this moment. Only one place has a moment: so it takes one comparison
    /// to find out which place it is.
    Sampled(Moment),
}

/// Calls `measure`. Its measurements on this thread belong to `span`, which has to be sampled. With ids of 0 they
/// belong to no span, and become exemplars only with [`ExemplarFilter::AlwaysOn`]. With `None` they become no
/// exemplars.
///
/// The moment is the time of all exemplars of this call. A library that has read this clock to measure
/// a duration passes that reading, so that no other clock is read for each call.
pub(crate) fn measure_in(span: Option<(TraceId, SpanId, Instant)>, measure: &mut dyn FnMut()) {
    if !matches!(place(), Place::Current) {
        return measure_in_another(span, measure);
    }
    let _reset = ToCurrent;
    set_given(span);
    measure();
}

/// Does the same within another call of [`measure_in`].
#[cold]
fn measure_in_another(span: Option<(TraceId, SpanId, Instant)>, measure: &mut dyn FnMut()) {
    let _reset = ToOuter { place: place(), sampled: sampled(), unsampled: unsampled() };
    set_given(span);
    measure();
}

#[inline(always)]
fn set_given(span: Option<(TraceId, SpanId, Instant)>) {
    match span {
        None => set_place(Place::Nothing),
        // No trace id is 0 if the span id is another number.
        Some((_, SpanId::INVALID, moment)) => {
            set_unsampled(Some(Moment::of(moment)));
            set_place(Place::Unsampled);
        }
        Some((trace, span, moment)) => {
            set_sampled(SpanIds::new(trace.to_bytes(), span.to_bytes()));
            set_place(Place::Sampled(Moment::of(moment)));
        }
    }
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
struct ToCurrent;

impl Drop for ToCurrent {
    #[inline]
    fn drop(&mut self) {
        set_place(Place::Current);
    }
}

/// Ends a call of [`measure_in`] within another one.
struct ToOuter {
    place: Place,
    sampled: SpanIds,
    unsampled: Option<Moment>,
}

impl Drop for ToOuter {
    fn drop(&mut self) {
        let Self { place, sampled, unsampled } = *self;
        set_place(place);
        set_sampled(sampled);
        set_unsampled(unsampled);
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

/// Answers the question of the library that binds an instrument now, if it asks one.
pub(crate) fn answer_sink(sink: impl FnOnce() -> ExemplarSink) {
    CurrentContext::read(|context| {
        if let Some((SINK_QUESTION, answer)) = context.get::<SinkQuestion>() {
            let (mut answer, own) = (lock(answer), sink());
            *answer = Some(match answer.take() {
                None => own,
                Some(other) => Arc::new(move |value, trace, span, moment| {
                    other(value, trace, span, moment);
                    own(value, trace, span, moment);
                }),
            });
        }
    });
}

/// Whether a measurement that is made now cannot become an exemplar, whatever the filter and the current context are.
#[inline]
pub(crate) fn is_excluded() -> bool {
    matches!(place(), Place::Nothing)
}

/// The time of a measurement that is made now. `None` if [`measure_in`] was not given a sampled span.
#[inline]
pub(crate) fn time_if_sampled() -> Option<Moment> {
    match place() {
        Place::Sampled(time) => Some(time),
        Place::Current | Place::Nothing | Place::Unsampled => None,
    }
}

/// The sampled span that [`measure_in`] was given last.
#[inline]
pub(crate) fn sampled() -> SpanIds {
    GIVEN.with(|now| now.sampled.get())
}

/// The span and the time of a measurement that is made now, if it can become an exemplar.
#[inline(never)]
pub(crate) fn current(filter: ExemplarFilter) -> Option<(SpanIds, Moment)> {
    match place() {
        Place::Nothing => None,
        Place::Sampled(time) => (filter != ExemplarFilter::AlwaysOff).then(|| (sampled(), time)),
        Place::Unsampled if filter == ExemplarFilter::AlwaysOn => {
            Some((SpanIds::NONE, unsampled()?))
        }
        Place::Unsampled => None,
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

#[inline]
fn set_sampled(span: SpanIds) {
    GIVEN.with(|now| now.sampled.set(span));
}

#[inline]
fn unsampled() -> Option<Moment> {
    GIVEN.with(|now| now.unsampled.get())
}

#[inline]
fn set_unsampled(time: Option<Moment>) {
    GIVEN.with(|now| now.unsampled.set(time));
}

#[inline]
fn of_context(filter: ExemplarFilter) -> Option<(SpanIds, Moment)> {
    let ids = ids_of_context();
    let is_eligible = match filter {
        ExemplarFilter::AlwaysOn => true,
        ExemplarFilter::AlwaysOff => false,
        ExemplarFilter::TraceBased => ids.are_valid(),
    };
    is_eligible.then(|| (ids, Moment::of(Instant::now())))
}

/// The ids of the span of the current context. Zeros if there is none, or if it is not sampled: there is no trace to open.
fn ids_of_context() -> SpanIds {
    let ids = CurrentContext::read(|context| {
        if !context.has_active_span() {
            return SpanIds::NONE;
        }
        let span = context.span();
        let context = span.span_context();
        if !context.is_valid() || !context.is_sampled() {
            return SpanIds::NONE;
        }
        SpanIds::new(context.trace_id().to_bytes(), context.span_id().to_bytes())
    });
    ids.unwrap_or_default()
}

#[cfg(test)]
mod tests;
