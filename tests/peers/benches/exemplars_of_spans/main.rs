//! What exemplars cost a span, with the exporter: `cargo bench --no-default-features --features exemplars --bench
//! exemplars_of_spans`. With `run NAME COUNT` or `time NAME THREADS` it measures one subject, as the ladders do.

#[path = "../../../../tracing-asdlc-metrics/benches/ladder/harness.rs"]
mod harness;
#[expect(dead_code, reason = "the ladder uses the rest")]
#[path = "../../../../tracing-asdlc-metrics/benches/ladder/subjects.rs"]
mod subjects;

use asdlc_exporter::{Exporter, Format};
use harness::Subject;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use subjects::{span, two_labels};
use tracing_asdlc_metrics::SpanMetricsLayer;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

fn main() {
    let subjects: Vec<_> = [(false, NOT_SAMPLED), (true, SAMPLED)]
        .into_iter()
        .flat_map(|(is_sampled, [alone, off, on, on_first])| {
            [
                Subject::new(alone, move || {
                    let traces = tracing_opentelemetry::layer().with_tracer(tracer(is_sampled));
                    registry().with(traces).init();
                    span
                }),
                traces_first(off, is_sampled, false),
                traces_first(on, is_sampled, true),
                Subject::new(on_first, move || {
                    let (metrics, exporter) = metrics(true);
                    let traces = tracing_opentelemetry::layer().with_tracer(tracer(is_sampled));
                    registry().with(metrics).with(traces).init();
                    scrape(&exporter);
                    std::mem::forget(exporter);
                    span
                }),
            ]
        })
        .collect();
    harness::main(&subjects);
}

fn traces_first(name: &'static str, is_sampled: bool, has_exemplars: bool) -> Subject {
    Subject::new(name, move || {
        let (metrics, exporter) = metrics(has_exemplars);
        let traces = tracing_opentelemetry::layer().with_tracer(tracer(is_sampled));
        registry().with(traces).with(metrics).init();
        scrape(&exporter);
        // Leaked, because the provider shuts down when it is dropped.
        std::mem::forget(exporter);
        span
    })
}

fn metrics(has_exemplars: bool) -> (SpanMetricsLayer, Exporter) {
    let builder = Exporter::builder("bench");
    let builder = if has_exemplars { builder.with_exemplars() } else { builder };
    let exporter = builder.build().expect("valid settings");
    (SpanMetricsLayer::new(&exporter, [two_labels()]).expect("a valid rule"), exporter)
}

/// The buckets of exemplars are known after the first scrape with a span.
fn scrape(exporter: &Exporter) {
    for _ in 0..2 {
        (0..2).for_each(span);
        exporter.render_as(Format::OpenMetrics).expect("it renders");
    }
}

/// Records spans, and exports none.
fn tracer(is_sampled: bool) -> SdkTracer {
    let sampler = if is_sampled { Sampler::AlwaysOn } else { Sampler::AlwaysOff };
    let provider = SdkTracerProvider::builder().with_sampler(sampler).build();
    let tracer = provider.tracer("bench");
    // Not dropped, because a dropped provider shuts down.
    std::mem::forget(provider);
    tracer
}

const NOT_SAMPLED: [&str; 4] = [
    "tracing-opentelemetry, not sampled",
    "not sampled, exemplars off",
    "not sampled, exemplars on",
    "not sampled, exemplars on, ours first",
];
const SAMPLED: [&str; 4] = [
    "tracing-opentelemetry, sampled",
    "sampled, exemplars off",
    "sampled, exemplars on",
    "sampled, exemplars on, ours first",
];
