//! tracing-opentelemetry 0.34: metrics from the fields of events.

use crate::{Peer, subjects};
use asdlc_peers::recorded::{Recorded, otel_0_33};
use std::time::Instant;
use tracing::info;
use tracing_opentelemetry::MetricsLayer;
use tracing_subscriber::layer::Identity;
use tracing_subscriber::prelude::*;

pub fn not_matched() -> Peer {
    let install = || (subjects::span as fn(usize), install());
    Peer { name: "tracing-opentelemetry 0.34.0, not matched", install, gives: 0 }
}

/// Spans give no metrics there: each is followed by an event with its duration and its labels.
pub fn matched() -> Peer {
    let install = || (span_and_event as fn(usize), install());
    Peer { name: "tracing-opentelemetry 0.34.0, counter + histogram, 2 labels", install, gives: 1 }
}

/// Beside an empty layer: alone, it leaves spans disabled.
fn install() -> Recorded {
    let (provider, recorded) = otel_0_33::provider(&["operation_duration_seconds"]);
    let subscriber = tracing_subscriber::registry().with(MetricsLayer::new(provider));
    subscriber.with(Identity::new()).init();
    recorded
}

fn span_and_event(thread: usize) {
    let start = Instant::now();
    subjects::span(thread);
    info!(
        monotonic_counter.operations_total = 1_u64,
        histogram.operation_duration_seconds = start.elapsed().as_secs_f64(),
        operation = OPERATIONS[thread % 2],
        backend = "local",
    );
}

const OPERATIONS: [&str; 2] = ["get", "put"];
