//! tower-otel 0.12: three histograms and an in-flight gauge.

use crate::recorded::{Recorded, otel_0_33};
use opentelemetry::metrics::MeterProvider;
use tower_otel::metrics::HttpLayer;

pub const NAME: &str = "tower-otel 0.12.0";

pub fn layer() -> (HttpLayer, Recorded) {
    let (provider, recorded) = otel_0_33::provider();
    (HttpLayer::server(&provider.meter("tower-otel")), recorded)
}
