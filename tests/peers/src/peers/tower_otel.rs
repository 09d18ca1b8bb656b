//! tower-otel 0.12: three histograms and an in-flight gauge, on either side.

use crate::recorded::{CLIENT_DURATION, Recorded, SERVER_DURATION, otel_0_33};
use opentelemetry::metrics::MeterProvider;
use tower_otel::metrics::HttpLayer;

pub const NAME: &str = "tower-otel 0.12.0";
pub const CLIENT: &str = "tower-otel 0.12.0, client";

pub fn layer() -> (HttpLayer, Recorded) {
    let (provider, recorded) = otel_0_33::provider(&[SERVER_DURATION]);
    (HttpLayer::server(&provider.meter("tower-otel")), recorded)
}

pub fn client() -> (HttpLayer, Recorded) {
    let (provider, recorded) = otel_0_33::provider(&[CLIENT_DURATION]);
    (HttpLayer::client(&provider.meter("tower-otel")), recorded)
}
