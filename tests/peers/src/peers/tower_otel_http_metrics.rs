//! tower-otel-http-metrics 0.16: three histograms and an in-flight gauge, from a meter of OpenTelemetry 0.30.

use crate::recorded::{Recorded, SERVER_DURATION, otel_0_30};
use opentelemetry_0_30::global;
use tower_otel_http_metrics::{HTTPMetricsLayer, HTTPMetricsLayerBuilder};

pub const NAME: &str = "tower-otel-http-metrics 0.16.0";

pub fn layer() -> (HTTPMetricsLayer, Recorded) {
    let (provider, recorded) = otel_0_30::provider(&[SERVER_DURATION]);
    global::set_meter_provider(provider);
    let builder = HTTPMetricsLayerBuilder::builder().with_meter(global::meter("peers"));
    (builder.build().expect("a meter is all it needs"), recorded)
}
