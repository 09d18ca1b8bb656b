//! The client of the example as a process: what it counts, and what the server counts for it.

use std::collections::BTreeMap;
use std::process::Command;

use asdlc_tests::example::without_variables;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::process::{Finished, Process};
use asdlc_tests::program::binary;
use asdlc_tests::servers::{Checked, free_address, promtool_check_metrics};
use asdlc_tests::wait::{DEADLINE, eventually};

use super::client::{LAST, RECORD, SMOOTH, Server, WATCH};

/// Runs the client until it ends.
fn run(url: &str) -> Finished {
    let mut command = without_variables(Command::new(binary("grpc", "grpc-client")));
    command.arg(url);
    Process::start(command).finish()
}

/// Runs the client and returns the metrics that it prints.
#[track_caller]
fn metrics(url: &str) -> Exposition {
    let finished = run(url);
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let text = finished.stdout.join("\n") + "\n";
    assert_eq!(promtool_check_metrics(text.as_bytes()), Checked::clean());
    Exposition::parse(text.as_bytes()).expect("it is valid")
}

fn counts<const N: usize>(rows: &[([&str; N], f64)]) -> BTreeMap<[String; N], f64> {
    rows.iter().map(|(labels, count)| (labels.map(str::to_owned), *count)).collect()
}

/// Removes these rows and returns their sum.
fn take<const N: usize>(counted: &mut BTreeMap<[String; N], f64>, rows: &[[&str; N]]) -> f64 {
    rows.iter().filter_map(|labels| counted.remove(&labels.map(str::to_owned))).sum()
}

//
#[test]
fn the_client_and_the_server_count_the_same_calls() {
    let server = Server::start();
    let address = server.example.address().to_string();
    let client = metrics(&format!("http://{address}"));

    let same = [
        ([LAST, "NOT_FOUND", "200"], 1.0),
        ([LAST, "OK", "200"], 1.0),
        ([RECORD, "OK", "200"], 2.0),
        ([SMOOTH, "INVALID_ARGUMENT", "200"], 1.0),
        ([SMOOTH, "OK", "200"], 1.0),
        ([WATCH, "CANCELLED", "200"], 1.0),
    ];
    let labels = ["endpoint", "grpc_status", "status"];
    let mut by_client = client.sum_by("http_client_requests_total", labels);
    // The deadline passes in the client, or in the server, which then responds.
    let late = [[RECORD, "DEADLINE_EXCEEDED", "_NONE"], [RECORD, "CANCELLED", "200"]];
    assert_eq!(take(&mut by_client, &late), 1.0, "{by_client:?}");
    assert_eq!(by_client, counts(&same));

    let counted = || server.example.scrape().sum("http_requests_total");
    assert!(eventually(DEADLINE, || counted() >= 8.0), "{}", counted());
    let mut by_server = server.example.scrape().sum_by("http_requests_total", labels);
    // The service is dropped, or it notices that the stream or the connection was closed.
    let late =
        [[RECORD, "CANCELLED", "499"], [RECORD, "CANCELLED", "200"], [RECORD, "UNKNOWN", "200"]];
    assert_eq!(take(&mut by_server, &late), 1.0, "{by_server:?}");
    assert_eq!(by_server, counts(&same));

    let labels = ["endpoint", "error_type"];
    let mut failed = client.sum_by("http_client_requests_failed_total", labels);
    assert_eq!(take(&mut failed, &[[RECORD, "timeout"], [RECORD, "cancelled"]]), 1.0, "{failed:?}");
    let expected =
        [([LAST, "client_error"], 1.0), ([SMOOTH, "client_error"], 1.0), ([WATCH, "aborted"], 1.0)];
    assert_eq!(failed, counts(&expected));
    assert_eq!(client.sum("http_client_request_duration_seconds_count"), 8.0);
    assert_eq!(client.value("http_client_requests_in_flight", &[("host", &address)]), Some(0.0));
}

//
#[test]
fn without_a_server_each_call_is_a_connect_error() {
    let address = free_address().to_string();
    let client = metrics(&format!("http://{address}"));
    let labels = ["endpoint", "error_type", "grpc_status", "host", "status"];
    let failed = client.sum_by("http_client_requests_failed_total", labels);
    let row = |endpoint, count| {
        ([endpoint, "connect_error", "UNAVAILABLE", address.as_str(), "_NONE"], count)
    };
    let expected = [row(LAST, 2.0), row(RECORD, 2.0), row(SMOOTH, 2.0), row(WATCH, 1.0)];
    assert_eq!(failed, counts(&expected));
    assert_eq!(client.sum("http_client_requests_total"), 7.0);
    assert_eq!(client.sum("http_client_requests_in_flight"), 0.0);
}

#[test]
fn an_invalid_url_is_an_error_of_one_line() {
    for url in ["", "127.0.0.1:50051", "https://127.0.0.1:50051", "http://", "a b"] {
        let finished = run(url);
        assert!(finished.refusal().contains("invalid"), "{finished:?}");
    }
}
