//! A real Prometheus evaluates the rules and answers the queries of the dashboards, in both naming conventions.

use asdlc_tests::servers::{Prometheus, QueryApi};
use asdlc_tests::wait::{DEADLINE, eventually};
use serde_json::json;

use super::dashboards::dashboards;
use super::files::{deploy, read};
use super::programs::{Backends, Running, start_all};
use super::rules::Convention;
use super::scraping::config;
use super::shops::{ERRORS, Shops, UNMATCHED};

// S-03
#[test]
fn prometheus_answers_each_query_and_records_the_share_of_errors() {
    Monitored::by(Convention::Prometheus).assert_answers();
}

// S-03
#[test]
fn prometheus_answers_each_query_with_the_names_of_opentelemetry_and_records_the_same() {
    Monitored::by(Convention::OpenTelemetry).assert_answers();
}

/// The example programs, and services that record both conventions. A Prometheus scrapes them and evaluates the rules of one
/// convention.
struct Monitored {
    convention: Convention,
    prometheus: Prometheus,
    programs: Vec<Running>,
    shops: Shops,
    _backends: Backends,
}

impl Monitored {
    fn by(convention: Convention) -> Self {
        let backends = Backends::start();
        let programs = start_all(&backends);
        let shops = Shops::start();
        let mut config = config(&programs);
        config["global"]["evaluation_interval"] = json!("1s");
        config["rule_files"] = json!(["recording.yml", "alerts.yml"]);
        config["scrape_configs"].as_array_mut().expect("a list").push(shops.job());
        let rules = deploy(convention.directory());
        let [recording, alerts] =
            ["recording.yml", "alerts.yml"].map(|file| (file, read(&rules.join(file))));
        let files = [(recording.0, &recording.1[..]), (alerts.0, &alerts.1[..])];
        let prometheus = Prometheus::configured(&config.to_string(), &files);
        Self { convention, prometheus, programs, shops, _backends: backends }
    }

    /// Checks that Prometheus answers the queries of all panels and rules: those of alerts without an error, the others with
    /// numbers. The rules of both conventions record the same of the services that record both.
    fn assert_answers(&self) {
        let rules = self.convention.rules();
        let expression =
            |rule: &serde_json::Value| rule["expr"].as_str().expect("an expression").to_owned();
        let recorded = rules.iter().filter(|rule| rule.get("record").is_some());
        let recorded = recorded.map(|rule| (rule["record"].to_string(), expression(rule)));
        let panels = dashboards().into_iter().flat_map(|dashboard| dashboard.queries());
        let mut unanswered: Vec<_> = recorded.chain(panels).collect();
        assert!(unanswered.len() > 70, "{}", unanswered.len());
        let answered = eventually(DEADLINE, || {
            self.programs.iter().for_each(Running::drive);
            self.shops.drive();
            unanswered.retain(|(_, query)| {
                let samples = self.prometheus.samples(query);
                !samples.iter().any(|(_, value)| value.is_finite())
            });
            unanswered.is_empty()
        });
        assert!(answered, "{:?}: no data for {unanswered:#?}", self.convention);

        // All recorded series exist now, and an alert has no error even where it has a result.
        for rule in rules.iter().filter(|rule| rule.get("alert").is_some()) {
            let _ = self.prometheus.samples(&expression(rule));
        }
        for name in self.convention.names("record") {
            let has_series = eventually(DEADLINE, || !self.prometheus.series(&name).is_empty());
            assert!(has_series, "{:?}: {name} is not recorded", self.convention);
        }
        for service in ["shop", "named-shop"] {
            let ratio =
                format!("service:http_requests_errors:ratio_rate5m{{service=\"{service}\"}}");
            self.assert_is(&ratio, ERRORS);
            let endpoints = "service_endpoint_status:http_requests:rate5m";
            let unmatched = format!(
                "sum({endpoints}{{service=\"{service}\",endpoint=\"_UNMATCHED\",status=\"404\"}}) / \
                 sum({endpoints}{{service=\"{service}\"}})"
            );
            self.assert_is(&unmatched, UNMATCHED);
        }
    }

    fn assert_is(&self, query: &str, expected: f64) {
        let mut last = None;
        let is_expected = eventually(DEADLINE, || {
            last = self.prometheus.query(query);
            last.is_some_and(|value| (value - expected).abs() < 1e-9)
        });
        assert!(is_expected, "{query} is {last:?}, not {expected}");
    }
}
