//! axum-prometheus 0.10: a counter, a histogram and an in-flight gauge, through the global recorder of the `metrics` crate.

use crate::recorded::{Recorded, count_in_text};
use axum_prometheus::PrometheusMetricLayer;

pub const NAME: &str = "axum-prometheus 0.10.1";

/// Once in a process, and on a Tokio runtime: it empties its histograms there every five seconds.
pub fn layer() -> (PrometheusMetricLayer<'static>, Recorded) {
    let (layer, handle) = PrometheusMetricLayer::pair();
    let recorded = move |route: &str| {
        let metrics = ["axum_http_requests_total", "axum_http_requests_duration_seconds_count"];
        count_in_text(&handle.render(), &metrics, "endpoint", route)
    };
    (layer, Box::new(recorded))
}
