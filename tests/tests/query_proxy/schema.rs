//! `schemathesis` checks the proxy against its `OpenAPI` document.

use std::process::Command;

use asdlc_tests::example::Example;
use asdlc_tests::process::Process;
use asdlc_tests::servers::{VictoriaMetrics, free_address};
use asdlc_tests::wait::{DEADLINE, eventually};
use tempfile::TempDir;

use crate::proxy::Proxy;

#[track_caller]
fn assert_conforms(proxy: &Proxy) {
    let directory = TempDir::new().unwrap();
    // A URL or a form that is too long is refused as such, whatever its content.
    let config = "[checks.negative_data_rejection]\nexpected-statuses = [\"4xx\", \"5xx\"]\n";
    std::fs::write(directory.path().join("schemathesis.toml"), config).unwrap();
    let base = format!("http://{}/api/metrics", proxy.address());
    let mut command = Command::new("schemathesis");
    // F-35, a neighbour: otherwise it would use a proxy for this machine too, and wrap lines at the width of a terminal.
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1").env("COLUMNS", "200");
    for variable in ["FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE"] {
        command.env_remove(variable);
    }
    command.current_dir(directory.path()).args([
        "run",
        &format!("{base}/openapi.json"),
        "--url",
        &base,
    ]);
    command.args(["--checks", "all"]);
    // OpenAPI cannot describe which queries are PromQL, or that a start is before its end. And 503 is the documented status
    // while VictoriaMetrics is down.
    command.args(["--exclude-checks", "positive_data_acceptance,not_a_server_error"]);
    command.args(["--max-examples", "25", "--seed", "1", "--no-color", "--request-timeout", "30"]);
    let mut process = Process::start(command);
    // It takes half a minute on two idle cores, mostly in schemathesis itself.
    assert!(eventually(10 * DEADLINE, || !process.is_running()), "schemathesis has not ended");
    let finished = process.finish();
    let lines = finished.stdout.iter().chain(&finished.stderr);
    let output: String =
        lines.map(|line| line.chars().take(300).chain(['\n']).collect::<String>()).collect();
    assert!(finished.status.success() && output.contains("6 selected / 6 total"), "{output}");
}

// O-09, O-10, O-11, O-13
#[test]
fn the_proxy_conforms_to_its_document_with_victoria_metrics() {
    let orchestrator = Example::start("orchestrator");
    let server = VictoriaMetrics::scraping(orchestrator.address());
    assert_conforms(&Proxy::patient(&server.url()));
}

// O-12, O-13
#[test]
fn the_proxy_conforms_to_its_document_without_victoria_metrics() {
    assert_conforms(&Proxy::patient(&format!("http://{}", free_address())));
}
