//! axum-prometheus 0.10: a counter, a histogram and an in-flight gauge, through the global recorder of the `metrics` crate.

use crate::recorded::Recorded;
use axum_prometheus::PrometheusMetricLayer;

pub const NAME: &str = "axum-prometheus 0.10.1";

/// Once in a process, and on a Tokio runtime: it empties its histograms there every five seconds.
pub fn layer() -> (PrometheusMetricLayer<'static>, Recorded) {
    let (layer, handle) = PrometheusMetricLayer::pair();
    let recorded = move |route: &str| {
        let text = handle.render();
        let of_the_route = |line: &&str| {
            line.starts_with("axum_http_requests_duration_seconds_count{")
                && line.contains(&format!("endpoint=\"{route}\""))
        };
        let values = text.lines().filter(of_the_route).filter_map(|line| line.rsplit(' ').next());
        values.map(|value| value.parse::<u64>().expect("a count")).sum()
    };
    (layer, Box::new(recorded))
}
