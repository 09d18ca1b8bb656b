//! The recording and alerting rules, checked by promtool and vmalert.

use std::collections::BTreeSet;
use std::path::Path;

use asdlc_tests::servers::check;
use serde_json::Value;

use super::files::{deploy, document, files};

// S-03 A-03
#[test]
fn promtool_passes_the_tests_of_the_rules() {
    let tests = rule_tests();
    let paths: Vec<_> = tests.iter().map(|path| path.display().to_string()).collect();
    let arguments: Vec<_> =
        ["test", "rules"].into_iter().chain(paths.iter().map(String::as_str)).collect();
    check("promtool", &arguments, &deploy("")).accepted();
}

// S-03
#[test]
fn each_alert_has_a_test_that_fires_with_and_without_namespace_and_one_that_does_not_fire() {
    let (mut silent, mut named, mut bare) = <(BTreeSet<_>, BTreeSet<_>, BTreeSet<_>)>::default();
    for block in rule_tests().iter().flat_map(|path| blocks(path)) {
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
    let alerts: BTreeSet<_> = names("alert");
    assert_eq!(silent, alerts, "not firing");
    assert_eq!(named, alerts, "firing for a service with a namespace");
    assert_eq!(bare, alerts, "firing for a service without one");
}

// S-03
#[test]
fn vmalert_accepts_the_rules() {
    check("vmalert", &["-dryRun", "-rule=rules/*.yml"], &deploy("")).accepted();
}

//
#[test]
fn latency_quantiles_are_recorded_for_each_service_and_each_endpoint() {
    let recorded = names("record");
    for quantile in ["p50", "p90", "p95", "p99"] {
        for level in ["service", "service_endpoint"] {
            let name = format!("{level}:http_request_duration_seconds:{quantile}");
            assert!(recorded.contains(&name), "{name}");
        }
    }
}

/// The names of all rules of this kind, `record` or `alert`.
pub(crate) fn names(kind: &str) -> BTreeSet<String> {
    let rules = rules().into_iter().filter_map(|rule| Some(rule.get(kind)?.as_str()?.to_owned()));
    rules.collect()
}

/// All rules.
pub(crate) fn rules() -> Vec<Value> {
    let groups = files(&deploy("rules"), "yml")
        .into_iter()
        .flat_map(|path| document(&path)["groups"].as_array().expect("groups").clone());
    groups.flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

fn rule_tests() -> Vec<std::path::PathBuf> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operations/rules"), "yml")
}

fn blocks(path: &Path) -> Vec<Value> {
    document(path)["tests"].as_array().expect("tests").clone()
}
