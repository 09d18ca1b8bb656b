//! tower-asdlc-metrics: by Prometheus' convention a counter, a histogram and an in-flight gauge; by OpenTelemetry's a histogram.

use crate::recorded::{Recorded, SERVER_DURATION, otel_0_33};
use opentelemetry::metrics::MeterProvider;
use tower_asdlc_metrics::{Conventions, HttpMetricsLayer, HttpMetricsLayerBuilder, MatchedRoute};

pub const NAME: &str = "tower-asdlc-metrics, `MatchedPath`";
pub const OPEN_TELEMETRY: &str = "ours, OpenTelemetry's convention";
pub const ALL: &str = "ours, OpenTelemetry's convention, all metrics";
pub const BOTH: &str = "ours, both conventions";

pub fn layer() -> (HttpMetricsLayer, Recorded) {
    let (provider, recorded) = otel_0_33::provider(&[PROMETHEUS_DURATION]);
    (HttpMetricsLayer::new(&provider.meter("ours")), recorded)
}

pub fn open_telemetry() -> (HttpMetricsLayer, Recorded) {
    build(&[SERVER_DURATION], semantic())
}

/// With the optional metrics that the peers always record.
pub fn all() -> (HttpMetricsLayer, Recorded) {
    build(&[SERVER_DURATION], semantic().with_active_requests().with_body_sizes())
}

pub fn both() -> (HttpMetricsLayer, Recorded) {
    let builder = HttpMetricsLayer::builder(MatchedRoute).with_conventions(Conventions::Both);
    build(&[PROMETHEUS_DURATION, SERVER_DURATION], builder)
}

fn semantic() -> HttpMetricsLayerBuilder {
    HttpMetricsLayer::builder(MatchedRoute).with_conventions(Conventions::OpenTelemetry)
}

fn build(
    durations: &'static [&'static str],
    builder: HttpMetricsLayerBuilder,
) -> (HttpMetricsLayer, Recorded) {
    let (provider, recorded) = otel_0_33::provider(durations);
    (builder.build(&provider.meter("ours")).expect("these settings are allowed"), recorded)
}

const PROMETHEUS_DURATION: &str = "http_request_duration";
