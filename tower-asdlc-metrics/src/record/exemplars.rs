//! Exemplars: which span the measurements of a request belong to.
//!
//! An exemplar is a measurement that a series keeps together with the ids of the span in which it was made. Without more
//! information, a meter takes the current span. That would be wrong here: the layer records when a request has ended, and in
//! batches, so the current span may be that of another request. So the layer says which span it is. It asks the meter how, when
//! it creates its instruments. A meter that does not answer records no exemplars.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceId};
use std::sync::OnceLock;
use std::time::Instant;

/// The meter's answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exemplars {
    measure_in: MeasureIn,
    /// Whether measurements outside of sampled spans become exemplars too.
    keeps_unsampled: bool,
}

/// The ids of a sampled span, or [`Self::INVALID`]. Only these are kept of a span: to keep its context would prolong the span.
///
/// Both in words, because bytes would be copied one by one, and a `TraceId` has an alignment of 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SpanIds {
    trace: [u64; 2],
    span: u64,
}

impl Exemplars {
    /// Calls `create`, which creates instruments. Returns the answer of their meter: `None` if it records no exemplars.
    pub(crate) fn ask<T>(create: impl FnOnce() -> T) -> (T, Option<Self>) {
        let question: ExemplarQuestion = (EXEMPLAR_QUESTION, OnceLock::new());
        let context = Context::current_with_value(question);
        let guard = context.clone().attach();
        let created = create();
        drop(guard);
        let answer = context.get::<ExemplarQuestion>().and_then(|(_, answer)| answer.get());
        let exemplars =
            answer.map(|&(measure_in, keeps_unsampled)| Self { measure_in, keeps_unsampled });
        (created, exemplars)
    }

    /// The span of a request that has no sampled one. `None`: its measurements become no exemplars.
    pub(crate) fn unsampled(self) -> Option<SpanIds> {
        self.keeps_unsampled.then_some(SpanIds::INVALID)
    }

    /// Calls `record`. The measurements that it makes belong to this span, or to none. Their time is now.
    pub(crate) fn measure(self, span: Option<SpanIds>, record: impl FnMut()) {
        self.call(span.map(|span| span.at(Instant::now())), record);
    }

    /// Calls `record`. The measurements that it makes belong to this span. Their time is this moment, which has just passed.
    #[inline]
    pub(crate) fn measure_at(self, moment: Instant, span: SpanIds, record: impl FnMut()) {
        self.call(Some(span.at(moment)), record);
    }

    #[inline]
    fn call(self, span: Option<(TraceId, SpanId, Instant)>, mut record: impl FnMut()) {
        (self.measure_in)(span, &mut record);
    }
}

impl SpanIds {
    /// Of no span.
    pub(crate) const INVALID: Self = Self { trace: [0; 2], span: 0 };

    /// The lower half of the trace id is first.
    pub(crate) fn of_words(trace: [u64; 2], span: u64) -> Self {
        Self { trace, span }
    }

    pub(crate) fn of(span: &SpanContext) -> Self {
        // OpenTelemetry stores numbers, and makes big-endian bytes of them. So the compiler swaps no bytes.
        let trace = u128::from_be_bytes(span.trace_id().to_bytes());
        let span = u64::from_be_bytes(span.span_id().to_bytes());
        Self { trace: [trace as u64, (trace >> 64) as u64], span }
    }

    /// Whether both ids are set.
    pub(crate) fn are_valid(self) -> bool {
        self.trace != Self::INVALID.trace && self.span != Self::INVALID.span
    }

    /// The ids as OpenTelemetry has them, and this moment.
    #[inline(always)]
    pub(crate) fn at(self, moment: Instant) -> (TraceId, SpanId, Instant) {
        let [low, high] = self.trace.map(u128::from);
        (TraceId::from(high << 64 | low), SpanId::from(self.span), moment)
    }
}

/// Calls the closure. What is measured in it, on this thread, belongs to this span. With `None` it belongs to no span and becomes
/// no exemplar. With ids of 0 it belongs to no span, and becomes an exemplar only if the meter keeps those outside of sampled
/// spans. The moment is the time of the exemplars. So the meter reads no clock.
type MeasureIn = fn(Option<(TraceId, SpanId, Instant)>, &mut dyn FnMut());

/// A value of the context in which instruments are created. A meter that records exemplars sets the answer. The first part names
/// the question, because the type alone could be anybody's.
///
/// The layers and the exporter have the same types, but no crate in common except for OpenTelemetry's API.
type ExemplarQuestion = (&'static str, OnceLock<(MeasureIn, bool)>);

const EXEMPLAR_QUESTION: &str = "asdlc-metrics: are exemplars recorded?";
