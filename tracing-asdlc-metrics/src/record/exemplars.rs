//! Exemplars: says to which OpenTelemetry span a measurement belongs.
//!
//! A meter that records exemplars uses the OpenTelemetry context that is current when something is measured. This layer measures
//! when a span closes, which may happen on another thread or inside another span. So it asks the meter for a function that says
//! which span a measurement belongs to. A meter that records no exemplars does not answer. Then nothing else in this crate asks
//! for spans.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceId};
use std::panic::catch_unwind;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The ids of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpanIds {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
}

impl SpanIds {
    /// `None` for a span that is not sampled, because nobody can open its trace.
    #[inline]
    pub(crate) fn of_sampled(context: &SpanContext) -> Option<Self> {
        let span = Self { trace_id: context.trace_id(), span_id: context.span_id() };
        (context.is_sampled() && context.is_valid()).then_some(span)
    }

    /// The span of the current OpenTelemetry context, if it is sampled.
    #[inline]
    pub(crate) fn of_current() -> Option<Self> {
        current_span_context(Self::of_sampled).flatten()
    }
}

/// Reads the span context of the current OpenTelemetry context. `None` while the thread ends.
#[inline]
pub(crate) fn current_span_context<T>(read: impl FnOnce(&SpanContext) -> T) -> Option<T> {
    let read = |context: &CurrentContext| {
        context.is_readable.then(|| Context::map_current(|cx| read(cx.span().span_context())))
    };
    CURRENT_CONTEXT.try_with(read).ok().flatten()
}

/// A meter that records exemplars.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exemplars {
    measure_in: MeasureIn,
    /// Whether measurements outside of sampled spans become exemplars too.
    keeps_unsampled: bool,
}

impl Exemplars {
    /// Runs `measure`, whose measurements belong to this span.
    pub(crate) fn measure(self, span: Option<SpanIds>, measure: impl FnOnce()) {
        let span = match span {
            Some(SpanIds { trace_id, span_id }) => Some((trace_id, span_id)),
            None => self.keeps_unsampled.then_some((TraceId::INVALID, SpanId::INVALID)),
        };
        self.call(span.map(|(trace, span)| (trace, span, Instant::now())), measure);
    }

    /// Runs `measure`, whose measurements do not become exemplars: they stand for several events, or for none.
    pub(crate) fn measure_without(self, measure: impl FnOnce()) {
        self.call(None, measure);
    }

    fn call(self, span: Option<(TraceId, SpanId, Instant)>, measure: impl FnOnce()) {
        let mut measure = Some(measure);
        (self.measure_in)(span, &mut || {
            if let Some(measure) = measure.take() {
                measure();
            }
        });
    }
}

/// What the meter of a layer has answered. It answers when the first counter or histogram is created.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExemplarAnswer(Arc<OnceLock<Exemplars>>);

impl ExemplarAnswer {
    #[inline]
    pub(crate) fn get(&self) -> Option<Exemplars> {
        self.0.get().copied()
    }

    /// Creates instruments, and asks their meter whether it records exemplars.
    pub(crate) fn ask<T>(&self, create: impl FnOnce() -> T) -> T {
        let question: ExemplarQuestion = (EXEMPLAR_QUESTION, OnceLock::new());
        let context = Context::current().with_value(question);
        let created = {
            let _current = context.clone().attach();
            create()
        };
        if let Some((_, answer)) = context.get::<ExemplarQuestion>() {
            if let Some((measure_in, keeps_unsampled)) = answer.get().copied() {
                self.0.get_or_init(|| Exemplars { measure_in, keeps_unsampled });
            }
        }
        created
    }
}

/// Calls the closure. What is measured in it, on this thread, belongs to this span. With `None` it belongs to no span. The moment is
/// the time of the exemplars, and has just passed.
type MeasureIn = fn(Option<(TraceId, SpanId, Instant)>, &mut dyn FnMut());

/// A value of the OpenTelemetry context in which instruments are created. The meter fills the `OnceLock`. The first part names
/// the value, because the type alone could be anybody's. The `bool`: whether measurements outside of sampled spans become
/// exemplars too. Other crates have the same type, and the same name.
type ExemplarQuestion = (&'static str, OnceLock<(MeasureIn, bool)>);

const EXEMPLAR_QUESTION: &str = "asdlc-metrics: are exemplars recorded?";

/// Exists on a thread as long as the thread's OpenTelemetry context can be read. Reading it later would panic.
///
/// The destructors of thread-local values run in the reverse order of their creation, and this is created after the context.
struct CurrentContext {
    is_readable: bool,
}

impl CurrentContext {
    fn new() -> Self {
        // A thread that reads it for the first time while it ends may have no context any more.
        Self { is_readable: catch_unwind(|| Context::map_current(|_| ())).is_ok() }
    }
}

/// Without a destructor the value would exist until the end.
impl Drop for CurrentContext {
    fn drop(&mut self) {}
}

thread_local! {
    static CURRENT_CONTEXT: CurrentContext = CurrentContext::new();
}
