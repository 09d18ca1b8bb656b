//! Records the exemplars of a series whose measurements are in a batch.
//!
//! A batch has no spans. So the layer asks an instrument, when it binds it, for a function that only records an exemplar. As with
//! [`exemplars`](crate::record::exemplars), the question and the answer are in a value of the context.

use crate::labels::catch_panic::catch_panic;
use crate::record::exemplars::SpanIds;
use opentelemetry::Context;
use opentelemetry::trace::{SpanId, TraceId};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Records exemplars of one series, without a measurement.
#[derive(Clone)]
pub(crate) struct ExemplarSink(Sink);

impl ExemplarSink {
    /// Calls `bind`, which binds an instrument. Returns the instrument's answer: `None` if it has no such sink.
    pub(crate) fn ask<T>(bind: impl FnOnce() -> T) -> (T, Option<Self>) {
        // This may be a request that ends while its thread ends. Then there is no current context any more, and it panics.
        let asked = catch_panic(|| {
            let question: SinkQuestion = (SINK_QUESTION, OnceLock::new());
            let context = Context::current_with_value(question);
            (context.clone().attach(), context)
        });
        let bound = bind();
        let sink = asked.and_then(|(_, context)| {
            let (_, answer) = context.get::<SinkQuestion>()?;
            answer.get().cloned().map(Self)
        });
        (bound, sink)
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

/// A value of the context in which an instrument is bound. An instrument that records exemplars sets the answer.
type SinkQuestion = (&'static str, OnceLock<Sink>);

const SINK_QUESTION: &str = "asdlc-metrics: what records only the exemplar?";
