//! What each exporter has recorded.

/// One of the histogram series and one of the counter series.
pub struct Series {
    pub method: &'static str,
    pub endpoint: String,
    pub status: u16,
    pub zone: &'static str,
    pub durations: [f64; 4],
    pub requests: u64,
}

pub fn all(series: usize) -> impl Iterator<Item = Series> {
    (0..series).map(|at| Series {
        method: ["GET", "POST", "PUT", "DELETE"][at % 4],
        endpoint: format!("/api/v1/resource{}/{{id}}", at / 16),
        status: [200, 201, 404, 500][at / 4 % 4],
        zone: "eu-1",
        durations: [0.003, 0.07, 0.3, 7.0].map(|value| value * (at % 7 + 1) as f64),
        requests: at as u64 * 37 + 1,
    })
}

pub const BOUNDARIES: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
pub const REQUESTS_HELP: &str = "Requests answered.";
pub const DURATION_HELP: &str = "How long requests took.";
