//! A real vmagent scrapes the programs with the shipped configuration and writes to a real `VictoriaMetrics`.

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
    // Fields are dropped in this order: vmagent ends before the server that it writes to.
    _vmagent: Vmagent,
    pub(crate) programs: Vec<Running>,
    backends: Backends,
}

impl Stack {
    /// Starts everything and waits until each program has been scraped.
    pub(crate) fn start() -> Self {
        let backends = Backends::start();
        let programs = start_all(&backends);
        let vmagent =
            Vmagent::start(&config(&programs).to_string(), backends.victoria_metrics.address());
        let stack = Self { _vmagent: vmagent, programs, backends };
        let all = stack.programs.len() as f64;
        stack.assert_arrives("sum(up)", || all);
        stack
    }

    /// The server that vmagent writes to and the orchestrator queries.
    pub(crate) fn victoria_metrics(&self) -> &VictoriaMetrics {
        &self.backends.victoria_metrics
    }

    /// Waits until the result of the query is `expected()`. It is computed anew each time, because programs add series while they run.
    #[track_caller]
    fn assert_arrives(&self, promql: &str, expected: impl Fn() -> f64) {
        let mut last = (None, 0.0);
        let arrived = eventually(DEADLINE, || {
            self.victoria_metrics().flush();
            last = (self.victoria_metrics().query(promql), expected());
            last.0 == Some(last.1)
        });
        assert!(arrived, "{promql} is {:?}, not {}", last.0, last.1);
    }
}

/// The shipped file with the real addresses of the programs, and one scrape a second.
pub(crate) fn config(programs: &[Running]) -> Value {
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
    config
}

pub(crate) fn every_second(config: &mut Value) {
    config["global"] = json!({ "scrape_interval": "1s", "scrape_timeout": "1s" });
}

// S-01
#[test]
fn vmagent_stores_all_samples_of_the_programs_with_their_service_and_the_documented_job() {
    let stack = Stack::start();
    for running in &stack.programs {
        let job = running.program.package;
        let samples = || running.scrape().all_samples().len() as f64;
        let instance = running.example.address();
        let own = format!("job=\"{job}\",instance=\"{instance}\",__name__!~\"up|scrape_.*\"");
        stack.assert_arrives(&format!("count({{{own}}})"), samples);
        // Each sample keeps the label `service` of the program.
        stack.assert_arrives(&format!("count({{{own},service=\"{job}\"}})"), samples);
    }
    assert_eq!(exported(stack.victoria_metrics()), Vec::<BTreeMap<_, _>>::new());
}

// S-01
#[test]
fn the_labels_that_a_kubernetes_operator_adds_do_not_replace_ours() {
    let backends = Backends::start();
    let program = PROGRAMS[0].start_without_redis(&backends);
    let files = ["prometheus-operator.yaml", "victoria-metrics-operator.yaml"];
    for resource in files.iter().flat_map(|file| documents(&deploy("kubernetes").join(file))) {
        let victoria_metrics = VictoriaMetrics::empty();
        let config = job_of_the_operator(&resource, program.example.address());
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
        // This family has no route, and must not get the port's name as `endpoint` instead.
        let of_the_process = victoria_metrics.series("asdlc_uptime_seconds");
        assert_eq!(of_the_process.len(), 1);
        assert_eq!(of_the_process[0].get("endpoint"), None);
        assert_eq!(of_the_process[0]["service"], job);
        assert_eq!(of_the_process[0]["pod"], "orchestrator-0");
    }
}

/// The series whose own label was renamed because the target has a label of the same name.
fn exported(victoria_metrics: &VictoriaMetrics) -> Vec<BTreeMap<String, String>> {
    let mut all = victoria_metrics.series("{exported_service!=\"\"}");
    all.extend(victoria_metrics.series("{exported_endpoint!=\"\"}"));
    all
}

/// A job as an operator generates it from the resource: with the labels that operators add to each target.
fn job_of_the_operator(resource: &Value, target: SocketAddr) -> String {
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
        // A rule with only an action and a regex is the same in both notations.
        "relabel_configs": relabelings.expect("the resource has relabelling rules"),
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
