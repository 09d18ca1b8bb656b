//! Counters and latency of requests, compared with what was sent.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;

use asdlc_tests::exposition::{Exposition, Kind};
use asdlc_tests::wait::{DEADLINE, eventually};

use super::harness::{Api, EVENT, Silence, event_head};

//
#[test]
fn every_request_is_counted_and_failed_ones_also_by_error_type() {
    let api = Api::start();
    let id = api.await_taken();
    let mut connection = api.connect();
    assert_eq!(connection.get(&format!("/v1/events/{id}")).status(), 200);
    assert_eq!(connection.get(&format!("/v1/events/{id}?secret=1")).status(), 200);
    assert_eq!(connection.get("/v1/events?limit=5").status(), 200);
    assert_eq!(connection.get("/v1/events?limit=0").status(), 400);
    assert_eq!(connection.get("/v1/events/none").status(), 404);
    assert_eq!(connection.get("/v1/nothing-here").status(), 404);
    assert_eq!(connection.request("DELETE", "/v1/events").status(), 405);
    assert_eq!(connection.post_json("/v1/events", "{").status(), 400);
    assert_eq!(connection.get("/v1/health").status(), 200);
    assert_eq!(connection.get("/v1/ready").status(), 200);
    assert_eq!(connection.get("/v1/metrics").status(), 200);

    let expected = counts(&[
        (["POST", "/v1/events", "201"], 1.0),
        (["GET", "/v1/events/{id}", "200"], 2.0),
        (["GET", "/v1/events", "200"], 1.0),
        (["GET", "/v1/events", "400"], 1.0),
        (["GET", "/v1/events/{id}", "404"], 1.0),
        (["GET", "_UNMATCHED", "404"], 1.0),
        (["DELETE", "/v1/events", "405"], 1.0),
        (["POST", "/v1/events", "400"], 1.0),
        (["GET", "/v1/health", "200"], 1.0),
        (["GET", "/v1/ready", "200"], 1.0),
    ]);
    let total = expected.values().sum::<f64>();
    let scrape = api.metrics_when(|scrape| scrape.sum(REQUESTS) >= total);
    assert_eq!(scrape.sum_by(REQUESTS, ["method", "endpoint", "status"]), expected);
    assert_eq!(scrape.family(REQUESTS).and_then(|family| family.kind), Some(Kind::Counter));

    let client_error = counts(&[
        (["GET", "/v1/events", "400", "client_error"], 1.0),
        (["GET", "/v1/events/{id}", "404", "client_error"], 1.0),
        (["GET", "_UNMATCHED", "404", "client_error"], 1.0),
        (["DELETE", "/v1/events", "405", "client_error"], 1.0),
        (["POST", "/v1/events", "400", "client_error"], 1.0),
    ]);
    assert_eq!(failures(&scrape), client_error);
}

//
#[test]
fn a_dependency_that_is_down_is_a_server_error() {
    let api = Api::start_with(&[("EVENT_STORE_URL", "http://127.0.0.1:1/v1")]);
    assert_eq!(api.post(EVENT).0, 503);
    let scrape = api.metrics_when(|scrape| scrape.sum(FAILED) > 0.0);
    let expected = counts(&[(["POST", "/v1/events", "503", "server_error"], 1.0)]);
    assert_eq!(failures(&scrape), expected);
}

//
#[test]
fn a_request_that_never_got_a_status_is_counted_as_failed() {
    let silence = Silence::start();
    let url = format!("http://{}/v1", silence.address());
    let api = Api::start_with(&[("EVENT_STORE_URL", &url)]);
    let post = event_head("") + EVENT;
    // The service gives up after one second, so the client disconnects earlier.
    let in_flight = |scrape: &Exposition| scrape.value(IN_FLIGHT, &[("method", "POST")]);
    let left = eventually(DEADLINE, || {
        let mut stream = TcpStream::connect(api.address()).expect("the server listens");
        stream.write_all(post.as_bytes()).expect("the server reads");
        let arrived = eventually(DEADLINE, || in_flight(&api.metrics()) == Some(1.0));
        drop(stream);
        assert!(eventually(DEADLINE, || in_flight(&api.metrics()) == Some(0.0)));
        arrived && cancelled(&api.metrics()) > 0.0
    });
    assert!(left, "{:?}", failures(&api.metrics()));
    let scrape = api.metrics();
    assert_eq!(scrape.sum(REQUESTS), scrape.sum(FAILED));
}

fn cancelled(scrape: &Exposition) -> f64 {
    let labels = [
        ("method", "POST"),
        ("endpoint", "/v1/events"),
        ("status", "499"),
        ("error_type", "cancelled"),
    ];
    scrape.value(FAILED, &labels).unwrap_or_default()
}

//
#[test]
fn latency_has_ten_boundaries_from_10_ms_to_10_s() {
    let api = Api::start();
    api.assert_alive();
    let scrape = api.metrics_when(|scrape| scrape.sum(REQUESTS) >= 1.0);
    assert_eq!(scrape.family(DURATION).and_then(|family| family.kind), Some(Kind::Histogram));
    let bounds: Vec<_> = scrape
        .samples("http_request_duration_seconds_bucket")
        .filter_map(|bucket| bucket.label("le"))
        .collect();
    assert_eq!(
        bounds,
        ["0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]
    );
}

fn failures(scrape: &Exposition) -> BTreeMap<[String; 4], f64> {
    scrape.sum_by(FAILED, ["method", "endpoint", "status", "error_type"])
}

fn counts<const N: usize>(rows: &[([&str; N], f64)]) -> BTreeMap<[String; N], f64> {
    rows.iter().map(|(labels, times)| (labels.map(str::to_owned), *times)).collect()
}

const REQUESTS: &str = "http_requests_total";
const FAILED: &str = "http_requests_failed_total";
const IN_FLIGHT: &str = "http_requests_in_flight";
const DURATION: &str = "http_request_duration_seconds";
