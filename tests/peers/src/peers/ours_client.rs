//! tower-asdlc-metrics around a client, and its layer for servers around the same service.

use crate::recorded::{CLIENT_DURATION, Recorded, SERVER_DURATION, otel_0_33};
use opentelemetry::metrics::MeterProvider;
use tower_asdlc_metrics::{Conventions, FixedEndpoint, HttpClientMetricsLayer, HttpMetricsLayer};

pub const SERVER: &str = "ours, server layer, `FixedEndpoint`";
pub const NAME: &str = "ours, client layer";
pub const SEMANTIC_SERVER: &str = "ours, server layer, OpenTelemetry's convention";
pub const OPEN_TELEMETRY: &str = "ours, client layer, OpenTelemetry's convention";

pub fn server() -> (HttpMetricsLayer, Recorded) {
    build_server(&["http_request_duration"], Conventions::Prometheus)
}

pub fn layer() -> (HttpClientMetricsLayer, Recorded) {
    build(&["http_client_request_duration"], Conventions::Prometheus)
}

pub fn semantic_server() -> (HttpMetricsLayer, Recorded) {
    build_server(&[SERVER_DURATION], Conventions::OpenTelemetry)
}

pub fn open_telemetry() -> (HttpClientMetricsLayer, Recorded) {
    build(&[CLIENT_DURATION], Conventions::OpenTelemetry)
}

fn build_server(
    durations: &'static [&'static str],
    conventions: Conventions,
) -> (HttpMetricsLayer, Recorded) {
    let (provider, recorded) = otel_0_33::provider(durations);
    let builder = HttpMetricsLayer::builder(FixedEndpoint("/items/{id}"));
    let builder = builder.with_conventions(conventions);
    (builder.build(&provider.meter("ours")).expect("these settings are allowed"), recorded)
}

fn build(
    durations: &'static [&'static str],
    conventions: Conventions,
) -> (HttpClientMetricsLayer, Recorded) {
    let (provider, recorded) = otel_0_33::provider(durations);
    let builder = HttpClientMetricsLayer::builder().with_conventions(conventions);
    (builder.build(&provider.meter("ours")).expect("these settings are allowed"), recorded)
}
