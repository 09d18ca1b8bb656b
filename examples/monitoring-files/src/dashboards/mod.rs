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

    /// A selector of the series that each process has, for the variables of a dashboard.
    fn uptime(&self, matchers: &str) -> String {
        self.namespaces.select("uptime_seconds", matchers)
    }
}

/// The sum of a vector by these labels.
fn sum_by(labels: &str, vector: &str) -> String {
    one_line(&promql::sum_by(labels, vector))
}

/// Quantiles of the summed rates of buckets: each with the legend that the panel shows.
fn quantiles(quantiles: &[(&str, &'static str)], buckets: &str) -> Vec<(String, &'static str)> {
    let query = |(quantile, legend): &(&str, &'static str)| {
        (format!("histogram_quantile({quantile}, {buckets})"), *legend)
    };
    quantiles.iter().map(query).collect()
}
