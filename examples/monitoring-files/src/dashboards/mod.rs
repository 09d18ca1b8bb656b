//! The dashboards. They read the series of the programs, and not those of the recording rules.

mod grafana;
mod http;
mod process_redis;
mod scrape;
mod workers;

use crate::promql::{self, one_line};
use crate::reader::{Histogram, Reader};
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
    /// Reads the series of the jobs and services that are selected in the dashboard.
    fn selected(&self) -> Reader<'_> {
        let matchers = r#"job=~"$job", service=~"$service""#;
        Reader { matchers, ..self.over("$__rate_interval") }
    }

    /// The sum of a vector of requests by these labels, which are those of the Prometheus convention.
    fn requests_by(&self, labels: &str, vector: &str) -> String {
        one_line(&self.requests.renames.sum_by(labels, vector))
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

impl Reader<'_> {
    /// The quantile for each set of labels, in one line.
    fn quantile_by(&self, quantile: &str, labels: &str, histogram: Histogram) -> String {
        one_line(&self.quantile(quantile, labels, histogram))
    }

    /// Quantiles of all series: each with the legend that the panel shows.
    fn quantiles(
        &self,
        quantiles: &[(&str, &'static str)],
        histogram: Histogram,
    ) -> Vec<(String, &'static str)> {
        let query = |(quantile, legend): &(&str, &'static str)| {
            (self.quantile_by(quantile, "", histogram), *legend)
        };
        quantiles.iter().map(query).collect()
    }
}
