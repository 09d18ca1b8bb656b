//! metrics-tracing-context 0.18: the fields of the open spans become labels of the `metrics` crate's metrics.

use crate::{Peer, subjects};
use asdlc_peers::recorded::Recorded;
use metrics::{counter, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use metrics_tracing_context::{MetricsLayer, TracingContextLayer};
use metrics_util::layers::Layer;
use std::time::Instant;
use tracing::info_span;
use tracing_subscriber::prelude::*;

pub fn not_matched() -> Peer {
    let install = || (subjects::span as fn(usize), install());
    Peer { name: "metrics-tracing-context 0.18.1, not matched", install, gives: 0 }
}

pub fn matched() -> Peer {
    let install = || (span_with_metrics as fn(usize), install());
    Peer {
        name: "metrics-tracing-context 0.18.1, counter + histogram, 2 labels",
        install,
        gives: 1,
    }
}

/// The exporter's clock calibrates itself when first asked, for as long as it takes.
pub fn calibrate_clock() {
    drop(recorder());
}

/// As documented, with the exporter for Prometheus as the recorder. No measurement lasts as long as the five seconds after which
/// that would empty its histograms.
fn install() -> Recorded {
    tracing_subscriber::registry().with(MetricsLayer::new()).init();
    let recorder = recorder();
    let handle = recorder.handle();
    let recorder = TracingContextLayer::all().layer(recorder);
    metrics::set_global_recorder(recorder).expect("the first");
    Box::new(move |operation| {
        let text = handle.render();
        let of_the_operation = |line: &&str| {
            line.starts_with("operation_duration_seconds_count{")
                && line.contains(&format!("operation=\"{operation}\""))
        };
        let values =
            text.lines().filter(of_the_operation).filter_map(|line| line.rsplit(' ').next());
        values.map(|value| value.parse::<u64>().expect("a count")).sum()
    })
}

fn recorder() -> PrometheusRecorder {
    let boundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let histogram = Matcher::Full("operation_duration_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(histogram, &boundaries);
    builder.expect("boundaries").build_recorder()
}

fn span_with_metrics(thread: usize) {
    let start = Instant::now();
    let _entered =
        info_span!("storage", operation = OPERATIONS[thread % 2], backend = "local").entered();
    counter!("operations_total").increment(1);
    histogram!("operation_duration_seconds").record(start.elapsed().as_secs_f64());
}

const OPERATIONS: [&str; 2] = ["get", "put"];
