//! What exemplars cost beside `tracing-opentelemetry`, whose layer is called before ours or after it.

use crate::harness::Subject;
use crate::subjects::{meter, span, two_labels};
use opentelemetry::Context;
use opentelemetry::metrics::{
    Counter, Histogram, HistogramBuilder, InstrumentBuilder, InstrumentProvider, Meter,
};
use opentelemetry::trace::{SpanId, TraceId, TracerProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use std::cell::Cell;
use std::sync::{Arc, OnceLock};
use std::time::Instant;
use tracing_asdlc_metrics::SpanMetricsLayer;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

pub fn subjects() -> Vec<Subject> {
    let with_sampler = |[alone, off, before, after]: [&'static str; 4],
                        sampler: fn() -> Sampler| {
        let traces = move || tracing_opentelemetry::layer().with_tracer(tracer(sampler()));
        let metrics = |meter: &Meter| SpanMetricsLayer::new(meter, [two_labels()]).expect("a rule");
        [
            Subject::new(alone, move || {
                registry().with(traces()).init();
                span
            }),
            Subject::new(off, move || {
                registry().with(traces()).with(metrics(&meter())).init();
                span
            }),
            Subject::new(before, move || {
                registry().with(traces()).with(metrics(&exemplar_meter())).init();
                span
            }),
            Subject::new(after, move || {
                let traces = tracing_opentelemetry::layer().with_tracer(tracer(sampler()));
                registry().with(metrics(&exemplar_meter())).with(traces).init();
                span
            }),
        ]
    };
    let unsampled = with_sampler(
        [
            "tracing-opentelemetry, not sampled",
            "tracing-opentelemetry, not sampled; ours",
            "tracing-opentelemetry, not sampled; ours, exemplars",
            "ours, exemplars; tracing-opentelemetry, not sampled",
        ],
        || Sampler::AlwaysOff,
    );
    let sampled = with_sampler(
        [
            "tracing-opentelemetry, sampled",
            "tracing-opentelemetry, sampled; ours",
            "tracing-opentelemetry, sampled; ours, exemplars",
            "ours, exemplars; tracing-opentelemetry, sampled",
        ],
        || Sampler::AlwaysOn,
    );
    unsampled.into_iter().chain(sampled).collect()
}

/// Records spans, and exports none.
fn tracer(sampler: Sampler) -> SdkTracer {
    let provider = SdkTracerProvider::builder().with_sampler(sampler).build();
    let tracer = provider.tracer("bench");
    // Not dropped, because a dropped provider shuts down.
    std::mem::forget(provider);
    tracer
}

/// A meter that records exemplars, as far as the layer sees: the instruments are the SDK's own.
fn exemplar_meter() -> Meter {
    Meter::new(Arc::new(ExemplarMeter(meter())))
}

struct ExemplarMeter(Meter);

impl InstrumentProvider for ExemplarMeter {
    fn u64_counter(&self, builder: InstrumentBuilder<'_, Counter<u64>>) -> Counter<u64> {
        let context = Context::current();
        if let Some((EXEMPLAR_QUESTION, question)) = context.get::<ExemplarQuestion>() {
            question.get_or_init(|| (measure_in, false));
        }
        self.0.u64_counter(builder.name).build()
    }

    fn f64_histogram(&self, builder: HistogramBuilder<'_, Histogram<f64>>) -> Histogram<f64> {
        let histogram = self.0.f64_histogram(builder.name);
        histogram.with_boundaries(builder.boundaries.unwrap_or_default()).build()
    }
}

thread_local! {
    static SPAN: Cell<Option<Option<(TraceId, SpanId)>>> = const { Cell::new(None) };
}

fn measure_in(span: Option<(TraceId, SpanId, Instant)>, measure: &mut dyn FnMut()) {
    struct Reset(Option<Option<(TraceId, SpanId)>>);
    impl Drop for Reset {
        fn drop(&mut self) {
            SPAN.set(self.0);
        }
    }
    let ids = span.map(|(trace, span, _)| (trace, span));
    let _reset = Reset(SPAN.replace(Some(ids)));
    measure();
}

type MeasureIn = fn(Option<(TraceId, SpanId, Instant)>, &mut dyn FnMut());
type ExemplarQuestion = (&'static str, OnceLock<(MeasureIn, bool)>);
const EXEMPLAR_QUESTION: &str = "asdlc-metrics: are exemplars recorded?";
