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
    static MEASURED: Measured = const { Measured::in_current_span() };
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

/// Where and when the measurements of a thread are made. The parts are apart, because most measurements need only the first.
struct Measured {
    place: Cell<Place>,
    /// In [`Place::Given`].
    span: Cell<SpanIds>,
    /// In [`Place::Given`].
    time: Cell<UnixTime>,
}

#[derive(Clone, Copy)]
enum Place {
    /// In the span of the current context.
    Current,
    /// Not in a span: no measurement becomes an exemplar.
    Nothing,
    /// In the span that [`measure_in`] was given.
    Given,
}

/// Calls `measure`. Its measurements on this thread belong to `span`, which has to be sampled. With ids of 0 they
/// belong to no span, and become exemplars only with [`ExemplarFilter::AlwaysOn`]. With `None` they become no
/// exemplars.
///
/// All exemplars of one call have the time of the call, so the clock is read once.
pub(crate) fn measure_in(span: Option<(TraceId, SpanId)>, measure: &mut dyn FnMut()) {
    let _reset = MEASURED.with(|measured| match span {
        None => Reset { place: measured.place.replace(Place::Nothing), given: None },
        Some((trace, span)) => {
            let ids = SpanIds { trace: trace.to_bytes(), span: span.to_bytes() };
            let given = (measured.span.replace(ids), measured.time.replace(UnixTime::now()));
            Reset { place: measured.place.replace(Place::Given), given: Some(given) }
        }
    });
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

impl Measured {
    const fn in_current_span() -> Self {
        Self {
            place: Cell::new(Place::Current),
            span: Cell::new(SpanIds { trace: [0; 16], span: [0; 8] }),
            time: Cell::new(UnixTime(0)),
        }
    }
}

/// Ends [`measure_in`], also if `measure` panics.
struct Reset {
    place: Place,
    /// If the call has replaced these.
    given: Option<(SpanIds, UnixTime)>,
}

impl Drop for Reset {
    fn drop(&mut self) {
        MEASURED.with(|measured| {
            measured.place.set(self.place);
            if let Some((span, time)) = self.given {
                measured.span.set(span);
                measured.time.set(time);
            }
        });
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
    let is_eligible = |ids: SpanIds| match filter {
        ExemplarFilter::AlwaysOn => true,
        ExemplarFilter::AlwaysOff => false,
        ExemplarFilter::TraceBased => ids.are_valid(),
    };
    MEASURED.with(|measured| match measured.place.get() {
        Place::Nothing => None,
        Place::Given => {
            let ids = measured.span.get();
            is_eligible(ids).then(|| (ids, measured.time.get()))
        }
        Place::Current => {
            let ids = ids_of_context();
            is_eligible(ids).then(|| (ids, UnixTime::now()))
        }
    })
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
