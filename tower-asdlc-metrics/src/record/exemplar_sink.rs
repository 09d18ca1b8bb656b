//! Records the exemplars of a series whose measurements are in a batch.
//!
//! A batch has no spans. So when the layer binds an instrument, it asks the instrument for a sink: a function that only records
//! an exemplar. As in [`exemplars`](crate::record::exemplars), the question and the answer are in a value of the context.

use crate::labels::catch_panic::catch_panic;
use crate::record::exemplars::SpanIds;
use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TraceId};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Records exemplars of one series, without a measurement.
#[derive(Clone)]
pub(crate) struct ExemplarSink(Sink);

impl ExemplarSink {
    /// Calls `bind`, which binds an instrument. Returns the instrument's answer: `None` if it has no such sink.
    pub(crate) fn ask<T>(bind: impl FnOnce() -> T) -> (T, Option<Self>) {
        // This may be a request that ends while its thread ends.
        if !CONTEXT.try_with(|current| current.is_readable).unwrap_or(false) {
            return (bind(), None);
        }
        let question: SinkQuestion = (SINK_QUESTION, Mutex::new(None));
        let context = Context::current_with_value(question);
        let bound = {
            let _attached = context.clone().attach();
            bind()
        };
        let answer = context.get::<SinkQuestion>().and_then(|(_, answer)| {
            let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
            answer.take().map(Self)
        });
        (bound, answer)
    }

    #[inline(always)]
    pub(crate) fn record(&self, value: f64, (span, moment): (SpanIds, Instant)) {
        let (trace, span, moment) = span.at(moment);
        (self.0)(value, trace, span, moment);
    }
}

impl fmt::Debug for ExemplarSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExemplarSink")
    }
}

/// Records an exemplar with this value, in this span, at this moment. It measures nothing.
type Sink = Arc<dyn Fn(f64, TraceId, SpanId, Instant) + Send + Sync>;

/// A value of the context in which an instrument is bound. An instrument that records exemplars sets the answer, or adds itself to
/// the one that is there.
type SinkQuestion = (&'static str, Mutex<Option<Sink>>);

thread_local! {
    static CONTEXT: CurrentContext = CurrentContext::new();
}

/// Exists on a thread as long as OpenTelemetry's current context can be read. Later, reading the context panics. This value is
/// created after the context, so it is dropped before the context.
struct CurrentContext {
    is_readable: bool,
}

impl CurrentContext {
    fn new() -> Self {
        // A thread that creates it while it ends may have no context any more.
        Self { is_readable: catch_panic(|| Context::map_current(|_| ())).is_some() }
    }
}

/// Without a destructor it would exist until the end.
impl Drop for CurrentContext {
    fn drop(&mut self) {}
}

const SINK_QUESTION: &str = "asdlc-metrics: what records only the exemplar?";
