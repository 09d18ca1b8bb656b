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
    build(&[SERVER_DURATION], |builder| builder.with_conventions(Conventions::OpenTelemetry))
}

/// With the optional metrics that the peers always record.
pub fn all() -> (HttpMetricsLayer, Recorded) {
    build(&[SERVER_DURATION], |builder| {
        let builder = builder.with_conventions(Conventions::OpenTelemetry);
        builder.with_active_requests().with_body_sizes()
    })
}

pub fn both() -> (HttpMetricsLayer, Recorded) {
    let durations = &[PROMETHEUS_DURATION, SERVER_DURATION];
    build(durations, |builder| builder.with_conventions(Conventions::Both))
}

fn build(
    durations: &'static [&'static str],
    set: impl FnOnce(HttpMetricsLayerBuilder) -> HttpMetricsLayerBuilder,
) -> (HttpMetricsLayer, Recorded) {
    let (provider, recorded) = otel_0_33::provider(durations);
    let builder = set(HttpMetricsLayer::builder(MatchedRoute));
    (builder.build(&provider.meter("ours")).expect("these settings are allowed"), recorded)
}

const PROMETHEUS_DURATION: &str = "http_request_duration";
