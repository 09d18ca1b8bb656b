//! axum-otel-metrics 0.14: three histograms and an in-flight gauge, from the global meter provider of OpenTelemetry 0.32.

use crate::recorded::{Recorded, SERVER_DURATION, otel_0_32};
use axum_otel_metrics::{HttpMetricsLayer, HttpMetricsLayerBuilder};

pub const NAME: &str = "axum-otel-metrics 0.14.1";

pub fn layer() -> (HttpMetricsLayer, Recorded) {
    let (provider, recorded) = otel_0_32::provider(&[SERVER_DURATION]);
    opentelemetry_0_32::global::set_meter_provider(provider);
    (HttpMetricsLayerBuilder::new().build(), recorded)
}
