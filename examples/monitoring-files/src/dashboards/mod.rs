//! The dashboards. They read the series of the programs, and not those of the recording rules.

mod grafana;
mod http;
mod process_redis;
mod scrape;
mod workers;

use crate::promql::{self, one_line};
use crate::settings::Settings;
use grafana::Dashboard;

/// Each dashboard with the name of its file.
pub(crate) fn all(settings: &Settings) -> [(&'static str, Dashboard); 4] {
    [
        (settings.requests.texts.dashboard, http::dashboard(settings)),
        ("process-redis", process_redis::dashboard(settings)),
        ("scrape", scrape::dashboard(settings)),
        ("workers", workers::dashboard(settings)),
    ]
}

impl Settings {
    /// A selector of the series of the jobs and services that are selected in the dashboard.
    fn selected(&self, name: &str, matchers: &str) -> String {
        let comma = if matchers.is_empty() { "" } else { ", " };
        let matchers = format!(r#"job=~"$job", service=~"$service"{comma}{matchers}"#);
        self.namespaces.select(name, &matchers)
    }

    /// The rate of these series.
    fn rate(&self, name: &str, matchers: &str) -> String {
        format!("rate({}[$__rate_interval])", self.selected(name, matchers))
    }

    /// The sum of a vector of requests by these labels, which are those of the Prometheus convention.
    fn requests_by(&self, labels: &str, vector: &str) -> String {
        one_line(&self.requests.sum_by(labels, vector))
    }

    /// The names of the jobs and services for the variables of a dashboard.
    fn up_to_date(&self, matchers: &str) -> String {
        self.namespaces.select("uptime_seconds", matchers)
    }
}

/// The sum of a vector by these labels.
fn sum_by(labels: &str, vector: &str) -> String {
    one_line(&promql::sum_by(labels, vector))
}

/// p50, p90, … of the summed rates of buckets, with their legends.
fn quantiles(quantiles: &[&str], buckets: &str) -> Vec<(String, &'static str)> {
    let legend = |quantile: &str| match quantile {
        "0.5" => "p50",
        "0.9" => "p90",
        "0.95" => "p95",
        _ => "p99",
    };
    let query =
        |quantile: &&str| (format!("histogram_quantile({quantile}, {buckets})"), legend(quantile));
    quantiles.iter().map(query).collect()
}
