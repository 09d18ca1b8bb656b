//! The real programs that read our metrics: they come from Debian packages (the list is in `tests/run`), and
//! a machine without them fails these tests.

mod browser;
mod checkers;
mod free_address;
mod postgres;
mod prometheus;
mod python_parsers;
mod redis;
mod victoria_metrics;
mod vmagent;
mod vmalert;
mod vmauth;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use http::StatusCode;
use serde_json::Value;

pub use browser::Browser;
pub use checkers::{Checked, check, promtool_check_metrics, promtool_test_rules};
pub use free_address::free_address;
pub use postgres::Postgres;
pub use prometheus::Prometheus;
pub use python_parsers::{Parsed, PythonParsers};
pub use redis::Redis;
pub use victoria_metrics::VictoriaMetrics;
pub use vmagent::Vmagent;
pub use vmalert::Vmalert;
pub use vmauth::Vmauth;

use crate::client::Connection;
use crate::wait::{DEADLINE, eventually_some};

/// The query API both servers share.
pub trait QueryApi {
    /// Where the server listens.
    fn address(&self) -> SocketAddr;

    /// The value of an instant query that answers with one sample; `None` while it answers with none.
    fn query(&self, promql: &str) -> Option<f64> {
        let answer =
            get_json(self.address(), &format!("/api/v1/query?query={}", percent_encoded(promql)));
        let result = answer["data"]["result"].as_array().expect("a vector");
        assert!(result.len() < 2, "{promql} has more than one answer: {answer}");
        result.first()?["value"][1].as_str()?.parse().ok()
    }

    /// The labels of each series that an instant query answers with, and its value.
    fn samples(&self, promql: &str) -> Vec<(BTreeMap<String, String>, f64)> {
        let answer =
            get_json(self.address(), &format!("/api/v1/query?query={}", percent_encoded(promql)));
        let result = answer["data"]["result"].as_array().expect("a vector").iter();
        let sample = |series: &Value| {
            let labels = serde_json::from_value(series["metric"].clone()).ok()?;
            Some((labels, series["value"][1].as_str()?.parse().ok()?))
        };
        result.map(|series| sample(series).expect("labels and a number")).collect()
    }

    /// The labels of each series that an instant query answers with.
    fn series(&self, promql: &str) -> Vec<BTreeMap<String, String>> {
        self.samples(promql).into_iter().map(|(labels, _)| labels).collect()
    }

    /// Asks until the answer is `expected`, and returns the last answer.
    fn query_until(&self, promql: &str, expected: f64) -> Option<f64> {
        let mut last = None;
        let settled = eventually_some(DEADLINE, || {
            last = self.query(promql);
            last.filter(|value| *value == expected)
        });
        settled.or(last)
    }

    /// The values of an instant query, by the value of `label`.
    fn query_by(&self, promql: &str, label: &str) -> BTreeMap<String, f64> {
        let answer =
            get_json(self.address(), &format!("/api/v1/query?query={}", percent_encoded(promql)));
        let result = answer["data"]["result"].as_array().expect("a vector");
        let value = |sample: &Value| {
            let key = sample["metric"][label].as_str().unwrap_or_default().to_owned();
            Some((key, sample["value"][1].as_str()?.parse().ok()?))
        };
        result.iter().map(|sample| value(sample).expect("a number")).collect()
    }

    /// The one scrape target, once it has been scraped.
    fn target(&self) -> Target {
        let mut targets = self.targets(1);
        targets.pop().expect("it has one")
    }

    /// All `count` scrape targets, once each has been scraped.
    fn targets(&self, count: usize) -> Vec<Target> {
        let scraped = eventually_some(DEADLINE, || {
            let answer = get_json(self.address(), "/api/v1/targets");
            let targets = answer["data"]["activeTargets"].as_array()?;
            let targets: Vec<_> = targets.iter().filter_map(Target::scraped).collect();
            (targets.len() == count).then_some(targets)
        });
        scraped.expect("the server scrapes its targets")
    }
}

/// What a server says of its scrape target.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the query API defines them")]
pub struct Target {
    pub health: String,
    pub last_error: String,
}

impl Target {
    /// Before the first scrape Prometheus says «unknown», and `VictoriaMetrics` «down» without an error.
    fn scraped(target: &Value) -> Option<Self> {
        let text = |key: &str| target[key].as_str().unwrap_or_default().to_owned();
        let target = Self { health: text("health"), last_error: text("lastError") };
        (target.health == "up" || !target.last_error.is_empty()).then_some(target)
    }

    /// Scraped without complaint.
    #[must_use]
    pub fn up() -> Self {
        Self { health: "up".into(), last_error: String::new() }
    }
}

/// Writes a configuration that scrapes `targets` as the job `under-test`: every second one path, or every five several, whose
/// series have the path as the label `path`.
fn write_config(directory: &Path, targets: &[SocketAddr], paths: &[String]) -> PathBuf {
    let file = directory.join("scrape.yml");
    // A busy machine does not get through a hundred within a second.
    let seconds = if paths.len() > 1 { 5 } else { 1 };
    let mut config = format!(
        "global:\n  scrape_interval: {seconds}s\n  scrape_timeout: {seconds}s\nscrape_configs:\n  \
         - job_name: under-test\n    static_configs:\n"
    );
    let targets =
        targets.iter().map(|target| format!("\"{target}\"")).collect::<Vec<_>>().join(", ");
    for path in paths {
        config.push_str(&format!("      - targets: [{targets}]\n"));
        config.push_str(&format!("        labels: {{__metrics_path__: \"{path}\""));
        if paths.len() > 1 {
            config.push_str(&format!(", path: \"{path}\""));
        }
        config.push_str("}\n");
    }
    fs::write(&file, config).expect("the temporary directory is writable");
    file
}

fn get_json(address: SocketAddr, path: &str) -> Value {
    let response = Connection::open(address).get(path);
    assert_eq!(response.status(), StatusCode::OK, "{path}: {:?}", response.body());
    serde_json::from_slice(response.body()).expect("the API answers in JSON")
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
