//! tower-asdlc-metrics: a counter, a histogram and an in-flight gauge.

use crate::recorded::{Recorded, otel_0_33};
use opentelemetry::metrics::MeterProvider;
use tower_asdlc_metrics::HttpMetricsLayer;

pub const NAME: &str = "tower-asdlc-metrics, `MatchedPath`";

pub fn layer() -> (HttpMetricsLayer, Recorded) {
    let (provider, recorded) = otel_0_33::provider(&["http_request_duration"]);
    (HttpMetricsLayer::new(&provider.meter("ours")), recorded)
}
