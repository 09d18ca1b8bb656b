//! The programs scraped as the shipped configuration has it, by a real vmagent that writes to a real `VictoriaMetrics`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use asdlc_tests::servers::{QueryApi, VictoriaMetrics, Vmagent};
use asdlc_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use super::configuration::scrape_configs;
use super::files::{deploy, document, documents};
use super::programs::{Backends, PROGRAMS, Running, start_all};

/// Redis, `VictoriaMetrics`, the programs, and a vmagent with the shipped jobs.
pub(crate) struct Stack {
    // Dropped in this order: who writes goes before who is written to.
    _vmagent: Vmagent,
    pub(crate) programs: Vec<Running>,
    backends: Backends,
}

impl Stack {
    /// Starts it and waits until each program was scraped.
    pub(crate) fn start() -> Self {
        let backends = Backends::start();
        let programs = start_all(&backends);
        let vmagent = Vmagent::start(&config(&programs), backends.victoria_metrics.address());
        let stack = Self { _vmagent: vmagent, programs, backends };
        let all = stack.programs.len() as f64;
        stack.assert_arrives("sum(up)", || all);
        stack
    }

    /// What vmagent writes to, and the orchestrator asks.
    pub(crate) fn victoria_metrics(&self) -> &VictoriaMetrics {
        &self.backends.victoria_metrics
    }

    /// Waits until the answer is what is expected at that moment: a program may get new series while it runs.
    #[track_caller]
    fn assert_arrives(&self, promql: &str, expected: impl Fn() -> f64) {
        let mut last = (None, 0.0);
        let arrived = eventually(DEADLINE, || {
            self.victoria_metrics().flush();
            last = (self.victoria_metrics().query(promql), expected());
            last.0 == Some(last.1)
        });
        assert!(arrived, "{promql}: {:?}, and not {}", last.0, last.1);
    }
}

/// The shipped file with the programs where they really are, once a second.
fn config(programs: &[Running]) -> String {
    let mut config = document(&deploy("vmagent.yml"));
    every_second(&mut config);
    let jobs = scrape_configs().into_iter().filter_map(|mut job| {
        let run = programs.iter().filter(|it| job["job_name"] == it.program.package);
        let targets: Vec<_> = run.map(|it| it.example.address()).collect();
        job["static_configs"][0]["targets"] = json!(targets);
        (!targets.is_empty()).then_some(job)
    });
    config["scrape_configs"] = jobs.collect();
    assert_eq!(config["scrape_configs"].as_array().map(Vec::len), Some(PROGRAMS.len()));
    config.to_string()
}

fn every_second(config: &mut Value) {
    config["global"] = json!({ "scrape_interval": "1s", "scrape_timeout": "1s" });
}

// S-01
#[test]
fn what_vmagent_writes_is_what_the_programs_show_with_their_service_and_the_documented_job() {
    let stack = Stack::start();
    for running in &stack.programs {
        let job = running.program.package;
        let samples = || running.scrape().all_samples().len() as f64;
        let instance = running.example.address();
        let own = format!("job=\"{job}\",instance=\"{instance}\",__name__!~\"up|scrape_.*\"");
        stack.assert_arrives(&format!("count({{{own}}})"), samples);
        // Each with our label, and under no other name.
        stack.assert_arrives(&format!("count({{{own},service=\"{job}\"}})"), samples);
    }
    assert_eq!(exported(stack.victoria_metrics()), Vec::<BTreeMap<_, _>>::new());
}

// S-01
#[test]
fn the_labels_that_an_operator_adds_do_not_hide_ours() {
    let backends = Backends::start();
    let program = PROGRAMS[0].start_without_redis(&backends);
    let files = ["prometheus-operator.yaml", "victoria-metrics-operator.yaml"];
    for resource in files.iter().flat_map(|file| documents(&deploy("kubernetes").join(file))) {
        let victoria_metrics = VictoriaMetrics::empty();
        let config = as_the_operator_writes_it(&resource, program.example.address());
        let _vmagent = Vmagent::start(&config, victoria_metrics.address());
        let job = program.program.package;
        let requests =
            "asdlc_http_requests_total{endpoint=\"/api/v1/tasks\",service=\"orchestrator\"}";
        let arrived = eventually(DEADLINE, || {
            victoria_metrics.flush();
            victoria_metrics.query(requests) == Some(2.0)
        });
        assert!(arrived, "{}", resource["kind"]);
        assert_eq!(exported(&victoria_metrics), Vec::<BTreeMap<_, _>>::new());
        // No route, and no name of a port either.
        let of_the_process = victoria_metrics.series("asdlc_uptime_seconds");
        assert_eq!(of_the_process.len(), 1);
        assert_eq!(of_the_process[0].get("endpoint"), None);
        assert_eq!(of_the_process[0]["service"], job);
        assert_eq!(of_the_process[0]["pod"], "orchestrator-0");
    }
}

/// Ours, pushed aside by a label of the target.
fn exported(victoria_metrics: &VictoriaMetrics) -> Vec<BTreeMap<String, String>> {
    let mut all = victoria_metrics.series("{exported_service!=\"\"}");
    all.extend(victoria_metrics.series("{exported_endpoint!=\"\"}"));
    all
}

/// A job with the labels that the operators give to each target, and what the resource says of labels.
fn as_the_operator_writes_it(resource: &Value, target: SocketAddr) -> String {
    let endpoints = match resource["kind"].as_str() {
        Some("PodMonitor") => &resource["spec"]["podMetricsEndpoints"],
        _ => &resource["spec"]["endpoints"],
    };
    let endpoint = &endpoints[0];
    let relabelings = endpoint.get("relabelings").or_else(|| endpoint.get("relabelConfigs"));
    let mut config = json!({ "scrape_configs": [{
        "job_name": "operator",
        "honor_labels": endpoint["honorLabels"],
        "metrics_path": endpoint["path"],
        // The same in both notations as long as they have no more than an action and a regex.
        "relabel_configs": relabelings.expect("it says what to do with labels"),
        "static_configs": [{
            "targets": [target],
            "labels": {
                "job": "orchestrator",
                "namespace": "default",
                "service": "orchestrator-http",
                "endpoint": "http",
                "pod": "orchestrator-0",
                "container": "orchestrator",
            },
        }],
    }] });
    every_second(&mut config);
    config.to_string()
}
