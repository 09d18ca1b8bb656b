//! opentelemetry-instrumentation-tower 0.19, OpenTelemetry's own: three histograms and an in-flight gauge, from the global
//! meter provider.
//!
//! It starts a trace span too, which cannot be built out of it. No tracer provider is set, so that the span is the cheapest.

use crate::recorded::{Recorded, SERVER_DURATION, otel_0_33};
use opentelemetry_instrumentation_tower::http::server::Layer;

pub const NAME: &str = "opentelemetry-instrumentation-tower 0.19.0";

pub fn layer() -> (Layer, Recorded) {
    let (provider, recorded) = otel_0_33::provider(&[SERVER_DURATION]);
    opentelemetry::global::set_meter_provider(provider);
    (Layer::new(), recorded)
}
