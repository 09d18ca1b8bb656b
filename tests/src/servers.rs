//! Starts the real programs that read the metrics, and the databases. They come from Debian packages (listed in `tests/run`), and
//! newer releases of some from Debian's unstable suite (`tests/new-servers`). Without them the tests fail.

mod browser;
mod checkers;
mod free_address;
mod generation;
mod postgres;
mod prometheus;
mod python_parsers;
mod redis;
mod scrape_config;
mod stored_exemplar;
mod stored_histogram;
mod victoria_metrics;
mod vmagent;
mod vmalert;
mod vmauth;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use http::StatusCode;
use serde_json::Value;

pub use browser::Browser;
pub use checkers::{Checked, check, promtool_check_metrics, promtool_test_rules};
pub use free_address::free_address;
pub use generation::{Generation, new_version};
pub use postgres::Postgres;
pub use prometheus::{Prometheus, PrometheusBuilder};
pub use python_parsers::{Parsed, ParsedExemplar, PythonParsers};
pub use redis::Redis;
pub use stored_exemplar::StoredExemplar;
pub use stored_histogram::{StoredBucket, StoredHistogram, StoredSeries};
pub use victoria_metrics::{VictoriaMetrics, VictoriaMetricsBuilder};
pub use vmagent::Vmagent;
pub use vmalert::Vmalert;
pub use vmauth::Vmauth;

use crate::client::Connection;
use crate::wait::{DEADLINE, eventually_some};

/// The query API that Prometheus and `VictoriaMetrics` share.
pub trait QueryApi {
    /// The address of the server.
    fn address(&self) -> SocketAddr;

    /// The value of an instant query with one result; `None` if it has no result.
    fn query(&self, promql: &str) -> Option<f64> {
        let samples = self.samples(promql);
        assert!(samples.len() < 2, "{promql} has more than one result: {samples:?}");
        samples.first().map(|(_, value)| *value)
    }

    /// False if the server rejects the query, for example because it does not know a function.
    fn accepts(&self, promql: &str) -> bool {
        let path = format!("/api/v1/query?query={}", percent_encoded(promql));
        let response = Connection::open(self.address()).get(&path);
        assert!(!response.status().is_server_error(), "{promql}: {:?}", response.body());
        response.status() == StatusCode::OK
    }

    /// The labels and the value of each result of an instant query. The value of a native histogram is its count.
    fn samples(&self, promql: &str) -> Vec<(BTreeMap<String, String>, f64)> {
        let path = format!("/api/v1/query?query={}", percent_encoded(promql));
        let response = get_json(self.address(), &path);
        let result = response["data"]["result"].as_array().expect("a vector").iter();
        result.map(labels_and_value).collect()
    }

    /// The labels of each result of an instant query.
    fn series(&self, promql: &str) -> Vec<BTreeMap<String, String>> {
        self.samples(promql).into_iter().map(|(labels, _)| labels).collect()
    }

    /// The native histograms that are the result of an instant query, with their labels.
    fn native_histograms(&self, promql: &str) -> Vec<(BTreeMap<String, String>, StoredHistogram)> {
        let path = format!("/api/v1/query?query={}", percent_encoded(promql));
        let response = get_json(self.address(), &path);
        let series = response["data"]["result"].as_array().expect("a vector").iter();
        let native = series.filter(|series| !series["histogram"].is_null());
        native
            .map(|series| {
                let labels = serde_json::from_value(series["metric"].clone());
                (labels.expect("labels"), StoredHistogram::read(&series["histogram"][1]))
            })
            .collect()
    }

    /// The samples of each series that a range selector (`x[5m]`) selects. Of native histograms, their counts.
    fn stored_samples(&self, range_selector: &str) -> Vec<StoredSeries> {
        let path = format!("/api/v1/query?query={}", percent_encoded(range_selector));
        let response = get_json(self.address(), &path);
        let series = response["data"]["result"].as_array().expect("a matrix").iter();
        series.map(StoredSeries::read).collect()
    }

    /// Repeats the query until its result is `expected`, and returns the last result.
    fn query_until(&self, promql: &str, expected: f64) -> Option<f64> {
        let mut last = None;
        let settled = eventually_some(DEADLINE, || {
            last = self.query(promql);
            last.filter(|value| *value == expected)
        });
        settled.or(last)
    }

    /// The results of an instant query, by the value of `label`.
    fn query_by(&self, promql: &str, label: &str) -> BTreeMap<String, f64> {
        let samples = self.samples(promql).into_iter();
        samples
            .map(|(mut labels, value)| (labels.remove(label).unwrap_or_default(), value))
            .collect()
    }

    /// Waits until the only scrape target has been scraped, and returns it.
    fn target(&self) -> Target {
        let mut targets = self.targets(1);
        targets.pop().expect("there is one target")
    }

    /// Waits until all `count` scrape targets have been scraped, and returns them.
    fn targets(&self, count: usize) -> Vec<Target> {
        let scraped = eventually_some(DEADLINE, || {
            let response = get_json(self.address(), "/api/v1/targets");
            let targets = response["data"]["activeTargets"].as_array()?;
            let targets: Vec<_> = targets.iter().filter_map(Target::scraped).collect();
            (targets.len() == count).then_some(targets)
        });
        scraped.expect("the server scrapes its targets")
    }
}

/// What a server reports about a scrape target.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the query API defines them")]
pub struct Target {
    pub health: String,
    pub last_error: String,
}

impl Target {
    /// `None` before the first scrape. Prometheus then reports `unknown`, `VictoriaMetrics` `down` without an error.
    fn scraped(target: &Value) -> Option<Self> {
        let text = |key: &str| target[key].as_str().unwrap_or_default().to_owned();
        let target = Self { health: text("health"), last_error: text("lastError") };
        (target.health == "up" || !target.last_error.is_empty()).then_some(target)
    }

    /// A target that was scraped without an error.
    #[must_use]
    pub fn up() -> Self {
        Self { health: "up".into(), last_error: String::new() }
    }
}

/// Of one result of an instant query.
fn labels_and_value(series: &Value) -> (BTreeMap<String, String>, f64) {
    let sample = || {
        let labels = serde_json::from_value(series["metric"].clone()).ok()?;
        let number = &series["value"][1];
        let number = number.as_str().or_else(|| series["histogram"][1]["count"].as_str());
        Some((labels, number?.parse().ok()?))
    };
    sample().expect("labels and a number")
}

fn get_json(address: SocketAddr, path: &str) -> Value {
    let response = Connection::open(address).get(path);
    assert_eq!(response.status(), StatusCode::OK, "{path}: {:?}", response.body());
    serde_json::from_slice(response.body()).expect("the API responds with JSON")
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).into()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}
