//! The recording and alerting rules, checked by promtool and vmalert.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use asdlc_tests::servers::{check, promtool_test_rules};
use serde_json::Value;

use super::files::{deploy, document, files, read};

/// The naming conventions. Each has a set of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Convention {
    Prometheus,
    OpenTelemetry,
}

impl Convention {
    pub(crate) const ALL: [Self; 2] = [Self::Prometheus, Self::OpenTelemetry];

    /// The value of the argument `--convention`.
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::OpenTelemetry => "opentelemetry",
        }
    }

    /// The directory of the rules, below `examples/deploy`.
    pub(crate) fn directory(self) -> &'static str {
        match self {
            Self::Prometheus => "rules",
            Self::OpenTelemetry => "rules/opentelemetry",
        }
    }

    /// All checked-in rules.
    pub(crate) fn rules(self) -> Vec<Value> {
        rules_in(&deploy(self.directory()))
    }

    /// The names of all rules of this kind, `record` or `alert`.
    pub(crate) fn names(self, kind: &str) -> BTreeSet<String> {
        let rules = self.rules().into_iter();
        rules.filter_map(|rule| Some(rule.get(kind)?.as_str()?.to_owned())).collect()
    }

    /// The files with promtool's tests of the rules. Those of metrics that both conventions have are used for both.
    fn tests(self) -> Vec<RuleTests> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operations/rules");
        let paths = match self {
            Self::Prometheus => files(&directory, "yml"),
            Self::OpenTelemetry => {
                let own = files(&directory.join("opentelemetry"), "yml");
                let shared = ["redis.yml", "scrape.yml", "workers.yml"];
                own.into_iter().chain(shared.map(|file| directory.join(file))).collect()
            }
        };
        paths.into_iter().map(|path| RuleTests { path, convention: self }).collect()
    }
}

/// A file with tests of the rules of a convention.
struct RuleTests {
    path: PathBuf,
    convention: Convention,
}

impl RuleTests {
    /// The tests, with the absolute paths of the rules.
    fn text(&self) -> String {
        let rules = deploy(self.convention.directory()).canonicalize().expect("the rules exist");
        let rules = rules.display().to_string();
        read(&self.path)
            .replace("../../../../../examples/deploy/rules/opentelemetry", &rules)
            .replace("../../../../examples/deploy/rules", &rules)
    }

    fn blocks(&self) -> Vec<Value> {
        document(&self.path)["tests"].as_array().expect("tests").clone()
    }
}

// S-03 A-03
#[test]
fn promtool_passes_the_tests_of_the_rules() {
    for tests in Convention::ALL.into_iter().flat_map(Convention::tests) {
        let checked = promtool_test_rules(&tests.text());
        assert_eq!(checked.code, Some(0), "{}\n{}", tests.path.display(), checked.printed);
    }
}

// S-03
#[test]
fn the_alerts_on_errors_latency_and_saturation_are_the_same_in_both_conventions() {
    let [prometheus, opentelemetry] = Convention::ALL
        .map(|convention| groups(&deploy(convention.directory()).join("alerts.yml")));
    let differs: Vec<_> = prometheus
        .iter()
        .zip(&opentelemetry)
        .flat_map(|(one, other)| {
            assert_eq!(one["name"], other["name"]);
            let [one, other] = [one, other].map(|group| group["rules"].as_array().expect("rules"));
            assert_eq!(one.len(), other.len());
            one.iter().zip(other).filter(|(one, other)| one != other).map(|(one, _)| &one["alert"])
        })
        .collect();
    // In one convention, the Tower layer has an overflow value of its own.
    assert_eq!(differs, ["CardinalityOverflow"]);
}

// S-03
#[test]
fn each_alert_has_a_test_that_fires_with_and_without_namespace_and_one_that_does_not_fire() {
    Convention::ALL.into_iter().for_each(assert_each_alert_is_tested);
}

fn assert_each_alert_is_tested(convention: Convention) {
    let (mut silent, mut named, mut bare) = <(BTreeSet<_>, BTreeSet<_>, BTreeSet<_>)>::default();
    for block in convention.tests().iter().flat_map(RuleTests::blocks) {
        let series = block["input_series"].as_array().expect("input");
        let is_prefixed = |service: &Value| {
            let label = format!("service={service}");
            series.iter().any(|series| {
                let series = series["series"].as_str().expect("a series");
                series.contains(&label)
                    && (series.starts_with("asdlc_") || series.starts_with("palingenesis_"))
            })
        };
        for test in block["alert_rule_test"].as_array().into_iter().flatten() {
            let alert = test["alertname"].as_str().expect("a name").to_owned();
            let expected = test["exp_alerts"].as_array().expect("what is expected");
            if expected.is_empty() {
                silent.insert(alert.clone());
            }
            for fired in expected {
                match fired["exp_labels"].get("service") {
                    Some(service) if is_prefixed(service) => named.insert(alert.clone()),
                    Some(_) => bare.insert(alert.clone()),
                    // Series that the scraper itself records have no namespace.
                    None => named.insert(alert.clone()) | bare.insert(alert.clone()),
                };
            }
        }
    }
    let alerts = convention.names("alert");
    assert_eq!(silent, alerts, "{convention:?}: not firing");
    assert_eq!(named, alerts, "{convention:?}: firing for a service with a namespace");
    assert_eq!(bare, alerts, "{convention:?}: firing for a service without one");
}

// S-03
#[test]
fn vmalert_accepts_the_rules() {
    for convention in Convention::ALL {
        let rules = format!("-rule={}/*.yml", convention.directory());
        check("vmalert", &["-dryRun", &rules], &deploy("")).accepted();
    }
}

//
#[test]
fn latency_quantiles_are_recorded_for_each_service_and_each_endpoint() {
    for convention in Convention::ALL {
        let recorded = convention.names("record");
        for quantile in ["p50", "p90", "p95", "p99"] {
            for level in ["service", "service_endpoint"] {
                let name = format!("{level}:http_request_duration_seconds:{quantile}");
                assert!(recorded.contains(&name), "{convention:?}: {name}");
            }
        }
    }
}

/// The rules of all files in a directory.
pub(crate) fn rules_in(directory: &Path) -> Vec<Value> {
    let groups = files(directory, "yml").into_iter().flat_map(|path| groups(&path));
    groups.flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

fn groups(path: &Path) -> Vec<Value> {
    document(path)["groups"].as_array().expect("groups").clone()
}
