//! Partial responses are reported as partial.

use std::io::Write;
use std::process::Command;

use asdlc_tests::process::Process;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::proxy::{Proxy, QUERY, failure_of};
use crate::upstream::{EMPTY, Upstream, json as json_response};

fn services(response: &str) -> Value {
    let upstream = Upstream::saying(json_response(response));
    let response = Proxy::of(&upstream.url()).get("/services");
    assert_eq!(response.status(), 200, "{:?}", response.body());
    serde_json::from_slice(response.body()).unwrap()
}

// F-27
#[test]
fn services_are_partial_when_a_node_is_missing() {
    let data = json!(["a", "b"]);
    assert_eq!(
        services(r#"{"status":"success","isPartial":true,"data":["b","a"]}"#),
        json!({"status": "success", "isPartial": true, "data": data}),
    );
    // A complete response has no such keys.
    for complete in ["", r#""isPartial":false,"#, r#""isPartial":null,"warnings":null,"#] {
        let response = services(&format!(r#"{{"status":"success",{complete}"data":["b","a"]}}"#));
        assert_eq!(response, json!({"status": "success", "data": data}));
    }
}

// F-27, a neighbour: a list that was cut at a limit, and messages of a server.
#[test]
fn services_have_warnings_and_infos_without_addresses() {
    let response = services(
        r#"{"status":"success","data":["a"],"warnings":["results truncated due to limit","cannot ask vm-secret:8401 (10.0.0.1)"],"infos":["one\nline"]}"#,
    );
    let expected = json!({
        "status": "success",
        "data": ["a"],
        "warnings": ["results truncated due to limit", "cannot ask *** (***)"],
        "infos": ["one line"],
    });
    assert_eq!(response, expected);
}

// F-27: a key that cannot be parsed is not ignored.
#[test]
fn services_with_an_invalid_partial_key_are_a_502() {
    for mark in [r#""isPartial":"yes""#, r#""warnings":"truncated""#, r#""warnings":[{"code":1}]"#]
    {
        let upstream = Upstream::saying(json_response(&format!(
            r#"{{"status":"success",{mark},"data":["a"]}}"#
        )));
        let proxy = Proxy::of(&upstream.url());
        assert_eq!(failure_of(&proxy.get("/services")), (502, "bad_answer".to_owned()), "{mark}");
    }
}

// F-27
#[test]
fn queries_pass_on_the_keys_of_a_partial_response() {
    let part = EMPTY.replace(r#""data""#, r#""isPartial":true,"warnings":["w"],"data""#);
    let upstream = Upstream::saying(json_response(&part));
    let proxy = Proxy::of(&upstream.url());
    for path in [QUERY, "/query_range?query=up&start=0&end=60&step=15"] {
        assert_eq!(proxy.get(path).body(), part.as_str());
    }
}

// F-27, a neighbour: only a query that needs all nodes shows that one is missing.
#[test]
fn health_queries_all_nodes_and_reports_a_missing_one() {
    let upstream = Upstream::reading(|stream, request| {
        // A vmselect evaluates a number itself. For series it queries every vmstorage.
        let alone = request.contains("query=1&");
        let mark =
            if alone { "" } else { r#""isPartial":true,"warnings":["vm-secret:8401 is down"],"# };
        let response = EMPTY.replace(r#""data""#, &format!(r#"{mark}"data""#));
        let _ = stream.write_all(json_response(&response).as_bytes());
    });
    let response = Proxy::of(&upstream.url()).get("/health");
    assert_eq!(response.status(), 200, "it responds to queries");
    let mut body: Value = serde_json::from_slice(response.body()).unwrap();
    assert!(body["data"]["latency_ms"].take().is_number());
    let expected = json!({
        "status": "success",
        "isPartial": true,
        "data": {"healthy": true, "latency_ms": null},
        "warnings": ["*** is down"],
    });
    assert_eq!(body, expected);
}

// F-27: a Prometheus whose remote storage does not respond.
#[test]
fn warnings_of_a_real_server_are_passed_on() {
    let directory = TempDir::new().unwrap();
    let config = directory.path().join("prometheus.yml");
    std::fs::write(&config, "remote_read:\n- url: http://127.0.0.1:1/read\n  read_recent: true\n")
        .unwrap();
    let mut command = Command::new("prometheus");
    command.args([
        format!("--config.file={}", config.display()),
        format!("--storage.tsdb.path={}", directory.path().join("data").display()),
        "--web.listen-address=127.0.0.1:0".to_owned(),
        "--web.console.templates=/nonexistent".to_owned(),
        "--web.console.libraries=/nonexistent".to_owned(),
    ]);
    let process = Process::start(command);
    let address: String = process
        .await_stderr(|line| Some(line.split_once("msg=\"Listening on\" address=")?.1.to_owned()))
        .unwrap();
    process
        .await_stderr(|line| line.contains("ready to receive web requests").then_some(()))
        .unwrap();
    let proxy = Proxy::patient(&format!("http://{}", address.trim()));
    let services: Value = serde_json::from_slice(proxy.get("/services").body()).unwrap();
    assert_eq!(services, json!({"status": "success", "data": [], "warnings": ["not implemented"]}));
    let health: Value = serde_json::from_slice(proxy.get("/health").body()).unwrap();
    let warnings = health["warnings"].to_string();
    assert!(warnings.contains("remote_read") && !warnings.contains("127.0.0.1"), "{health}");
}
