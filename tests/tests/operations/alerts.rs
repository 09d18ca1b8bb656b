//! A real vmalert evaluates the shipped rules on data that a real vmagent scraped, and sends alerts to a fake Alertmanager.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use asdlc_tests::in_process::Server;
use asdlc_tests::servers::{QueryApi, VictoriaMetrics, Vmagent, Vmalert};
use asdlc_tests::wait::{DEADLINE, eventually, eventually_some};
use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::files::{deploy, document};
use super::programs::ORCHESTRATED;
use super::rules::Convention;
use super::scraping::Stack;
use super::shops::{ERRORS, Shops};

/// The part of Alertmanager's API that vmalert uses. It keeps the alerts that are posted.
struct Alertmanager {
    server: Server,
    received: Arc<Mutex<Vec<Value>>>,
}

impl Alertmanager {
    fn start() -> Self {
        let received = Arc::<Mutex<Vec<Value>>>::default();
        let kept = Arc::clone(&received);
        let receive = move |body: Bytes| async move {
            let alerts: Vec<Value> = serde_json::from_slice(&body).expect("a list of alerts");
            kept.lock().expect("no holder panics").extend(alerts);
        };
        let server = Server::axum(Router::new().route("/api/v2/alerts", post(receive)));
        Self { server, received }
    }

    /// The last state of an alert.
    fn last(&self, name: &str) -> Option<Value> {
        let received = self.received.lock().expect("no holder panics");
        received.iter().rfind(|alert| alert["labels"]["alertname"] == name).cloned()
    }
}

// S-03
#[test]
fn a_program_that_ends_fires_an_alert_and_the_recorded_series_are_right() {
    let stack = Stack::start();
    let alertmanager = Alertmanager::start();
    let directory = TempDir::new().expect("a temporary directory can be made");
    let rules = at_once(&directory);
    let _vmalert =
        Vmalert::start(&rules, stack.victoria_metrics().address(), alertmanager.server.address());

    // The rules record the program's metrics under names without namespace.
    let orchestrator = &stack.programs[0];
    let recorded = eventually(DEADLINE, || {
        orchestrator.drive();
        stack.victoria_metrics().flush();
        let series = stack.victoria_metrics().series("service:http_request_duration_seconds:p99");
        series.iter().any(|labels| labels["service"] == orchestrator.program.package)
    });
    assert!(recorded, "vmalert records nothing");
    let ratio = "service:http_requests_errors:ratio_rate5m{service=\"orchestrator\"}";
    let fails = eventually(DEADLINE, || {
        orchestrator.drive();
        stack.victoria_metrics().flush();
        stack
            .victoria_metrics()
            .query(ratio)
            .is_some_and(|ratio| (ratio - 1.0 / ORCHESTRATED).abs() < 0.01)
    });
    assert!(
        fails,
        "one of {ORCHESTRATED} requests fails, but the recorded ratio is {:?}",
        stack.victoria_metrics().query(ratio)
    );
    assert_eq!(alertmanager.last("ScrapeFailing"), None);

    orchestrator.example.process().kill();
    let alert = eventually_some(DEADLINE, || alertmanager.last("ScrapeFailing"))
        .expect("vmalert sends an alert for the program that ended");
    assert_eq!(alert["labels"]["job"], "orchestrator");
    assert_eq!(alert["labels"]["instance"], orchestrator.example.address().to_string());
    assert_eq!(alert["labels"]["severity"], "critical");
    let summary = alert["annotations"]["summary"].as_str().unwrap_or_default();
    assert!(summary.starts_with("orchestrator at 127.0.0.1:"), "{summary}");
}

// S-03
#[test]
fn vmalert_records_the_same_share_of_errors_in_both_conventions() {
    let victoria_metrics = VictoriaMetrics::empty();
    let shops = Shops::start();
    let _vmagent = Vmagent::start(&shops.config(), victoria_metrics.address());
    let alertmanager = Alertmanager::start();
    for convention in Convention::ALL {
        // The second vmalert continues the series of the first.
        let since = victoria_metrics.query("time()").expect("a time");
        let rules = deploy(convention.directory()).join("*.yml");
        let _vmalert =
            Vmalert::start(&rules, victoria_metrics.address(), alertmanager.server.address());
        for service in ["shop", "named-shop"] {
            let ratio =
                format!("service:http_requests_errors:ratio_rate5m{{service=\"{service}\"}}");
            let new = format!("{ratio} and timestamp({ratio}) > {since}");
            let mut last = None;
            let is_right = eventually(DEADLINE, || {
                shops.drive();
                victoria_metrics.flush();
                last = victoria_metrics.query(&new);
                // vmalert divides by the rate of all requests that it recorded a second ago.
                last.is_some_and(|ratio| (ratio - ERRORS).abs() < 0.01)
            });
            assert!(is_right, "{convention:?}: {ratio} is {last:?}, not {ERRORS}");
        }
    }
}

/// The shipped rules without `for`: an alert fires at the first evaluation where its condition is true.
fn at_once(directory: &TempDir) -> PathBuf {
    for file in ["recording.yml", "alerts.yml"] {
        let mut rules = document(&deploy("rules").join(file));
        for group in rules["groups"].as_array_mut().expect("groups") {
            for rule in group["rules"].as_array_mut().expect("rules") {
                if rule.get("for").is_some() {
                    rule["for"] = json!("0s");
                }
            }
        }
        std::fs::write(directory.path().join(file), rules.to_string())
            .expect("the temporary directory is writable");
    }
    assert!(Convention::Prometheus.names("alert").contains("ScrapeFailing"));
    directory.path().join("*.yml")
}
