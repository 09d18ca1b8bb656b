//! What is measured: no subscriber, one that does nothing, our layer, and the least that can be written by hand.

use crate::harness::Subject;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};
use std::time::Instant;
use tracing::info_span;
use tracing_asdlc_metrics::{Label, Outcome, Rule, SpanMetricsLayer};
use tracing_subscriber::layer::Identity;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;

pub fn own() -> Vec<Subject> {
    vec![
        Subject::new("no subscriber", || span),
        Subject::new("registry + empty layer", || {
            registry().with(Identity::new()).init();
            span
        }),
        Subject::new("ours alone, not matched", || {
            let rule = Rule::span("other").with_counter("others_total");
            registry().with(ours(rule)).init();
            span
        }),
        Subject::new("ours beside an empty layer, not matched", || {
            let rule = Rule::span("other").with_counter("others_total");
            registry().with(ours(rule)).with(Identity::new()).init();
            span
        }),
        Subject::new("ours, counter + histogram", move || {
            registry().with(ours(matched())).init();
            span
        }),
        Subject::new("ours, counter + histogram, 2 labels", move || {
            registry().with(ours(two_labels())).init();
            span
        }),
        Subject::new("ours, the same + outcome + in flight", move || {
            let rule =
                two_labels().with_outcome(Outcome::label("status")).with_in_flight("operations");
            registry().with(ours(rule)).init();
            span
        }),
        Subject::new("hand-written: unbound counter + histogram, 2 labels", || {
            registry().with(Identity::new()).init();
            hand_written()
        }),
    ]
}

/// Creates, enters, exits and closes a span. Threads use different label values.
#[inline(always)]
pub fn span(thread: usize) {
    let _entered =
        info_span!("storage", operation = OPERATIONS[thread % 2], backend = "local").entered();
}

/// A meter with a reader: a provider without one would drop every measurement.
pub fn meter() -> Meter {
    let provider = SdkMeterProvider::builder().with_reader(ManualReader::default()).build();
    let meter = provider.meter("bench");
    // Not dropped, because a dropped provider shuts down.
    std::mem::forget(provider);
    meter
}

fn matched() -> Rule {
    Rule::span("storage")
        .with_counter("operations_total")
        .with_duration("operation_duration_seconds")
}

pub fn two_labels() -> Rule {
    matched()
        .with_label(Label::field("operation").with_values(["get", "put", "delete"]))
        .with_label(Label::field("backend").with_values(["local", "redis"]))
}

fn ours(rule: Rule) -> SpanMetricsLayer {
    SpanMetricsLayer::new(&meter(), [rule]).expect("a valid rule")
}

fn hand_written() -> impl Fn(usize) {
    let meter = meter();
    let counter = meter.u64_counter("operations_total").build();
    let boundaries = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let histogram = meter.f64_histogram("duration").with_boundaries(boundaries).build();
    move |thread| {
        let start = Instant::now();
        span(thread);
        let attributes =
            [KeyValue::new("operation", OPERATIONS[thread % 2]), KeyValue::new("backend", "local")];
        histogram.record(start.elapsed().as_secs_f64(), &attributes);
        counter.add(1, &attributes);
    }
}

const OPERATIONS: [&str; 2] = ["get", "put"];
