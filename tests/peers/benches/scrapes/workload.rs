//! What each exporter has recorded, and how to find it in its answer.

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

/// Checks that an answer has all of it, in any order.
pub fn check(answer: &[u8], series: usize) -> Result<(), String> {
    let text = std::str::from_utf8(answer).map_err(|error| error.to_string())?;
    let values = |name: &str| -> (usize, f64) {
        let lines =
            text.lines().filter(|line| line.strip_prefix(name).is_some_and(|l| l.starts_with('{')));
        let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        values.fold((0, 0.0), |(count, sum), value| (count + 1, sum + value))
    };
    let requests: u64 = all(series).map(|series| series.requests).sum();
    // Ten boundaries and +Inf; each measurement counts in the buckets from its own on.
    let below = |value: f64| 1 + BOUNDARIES.iter().filter(|boundary| value <= **boundary).count();
    let buckets: usize = all(series).flat_map(|series| series.durations).map(below).sum();
    for (name, expected) in [
        ("http_requests_total", (series, requests as f64)),
        ("http_request_duration_seconds_bucket", (11 * series, buckets as f64)),
        ("http_request_duration_seconds_count", (series, 4.0 * series as f64)),
    ] {
        let served = values(name);
        if served != expected {
            return Err(format!("serves {served:?} for {name}, not {expected:?}"));
        }
    }
    Ok(())
}

pub const BOUNDARIES: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
pub const REQUESTS_HELP: &str = "Requests answered.";
pub const DURATION_HELP: &str = "How long requests took.";
