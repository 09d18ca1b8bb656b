//! Kubernetes discovery: a real vmagent with the shipped relabelling, and a fake API server with three pods.

use std::future::pending;

use asdlc_tests::in_process::Server;
use asdlc_tests::servers::{QueryApi, VictoriaMetrics, Vmagent};
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::extract::RawQuery;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::files::{deploy, document, documents};
use super::programs::{Backends, PROGRAMS};

// S-01
#[test]
fn an_annotated_pod_is_scraped_at_its_annotated_port_and_keeps_its_service_label() {
    let backends = Backends::start();
    let program = PROGRAMS[0].start_without_redis(&backends);
    let port = program.example.address().port();
    let annotated = pod("orchestrator-7f9c", port);
    let mut silent = pod("silent-1", port);
    silent["metadata"]["annotations"] = json!({});
    let mut ended = pod("ended-1", port);
    ended["status"]["phase"] = json!("Succeeded");
    let kubernetes = api_server(&json!([annotated, silent, ended]));

    let mut config = document(&deploy("kubernetes/scrape.yml"));
    config["global"] = json!({ "scrape_interval": "1s", "scrape_timeout": "1s" });
    config["scrape_configs"][0]["kubernetes_sd_configs"][0]["api_server"] =
        json!(format!("http://{}", kubernetes.address()));
    let victoria_metrics = VictoriaMetrics::empty();
    let _vmagent = Vmagent::start(&config.to_string(), victoria_metrics.address());

    let requests = "asdlc_http_requests_total{endpoint=\"/api/v1/tasks\"}";
    let arrived = eventually(DEADLINE, || {
        victoria_metrics.flush();
        !victoria_metrics.series(requests).is_empty()
    });
    assert!(arrived, "no pod is scraped");
    let labels = &victoria_metrics.series(requests)[0];
    for (label, value) in [
        ("service", "orchestrator"),
        ("job", "orchestrator"),
        ("namespace", "shop"),
        ("pod", "orchestrator-7f9c"),
        ("instance", &format!("127.0.0.1:{port}")),
    ] {
        assert_eq!(labels.get(label).map(String::as_str), Some(value), "{label} of {labels:?}");
    }
    // The other two pods are no targets.
    assert_eq!(victoria_metrics.query("count(up)"), Some(1.0));
}

/// A pod of the shipped Deployment. The network of the cluster is the loopback of this machine.
fn pod(name: &str, port: u16) -> Value {
    let documents = documents(&deploy("kubernetes/orchestrator.yaml"));
    let deployment = documents.iter().find(|document| document["kind"] == "Deployment");
    let mut pod = deployment.expect("a Deployment")["spec"]["template"].clone();
    pod["metadata"]["name"] = json!(name);
    pod["metadata"]["namespace"] = json!("shop");
    pod["metadata"]["uid"] = json!(name);
    pod["metadata"]["annotations"]["prometheus.io/port"] = json!(port.to_string());
    // Not the port it listens on: vmagent must use the annotation.
    pod["spec"]["containers"][0]["ports"][0]["containerPort"] = json!(1);
    pod["status"] = json!({ "phase": "Running", "podIP": "127.0.0.1", "hostIP": "127.0.0.1" });
    pod
}

/// An API server that lists these pods and never sends a change.
fn api_server(pods: &Value) -> Server {
    let list = json!({
        "kind": "PodList",
        "apiVersion": "v1",
        "metadata": { "resourceVersion": "1" },
        "items": pods,
    });
    let respond = move |RawQuery(query): RawQuery| {
        let list = list.clone();
        async move {
            if query.is_some_and(|query| query.contains("watch=")) {
                pending::<()>().await;
            }
            Json(list)
        }
    };
    Server::axum(Router::new().route("/api/v1/pods", get(respond)))
}
