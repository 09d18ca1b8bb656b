//! Counters and latency of requests, compared with what was sent.

use std::thread;
use std::time::Instant;

use asdlc_tests::example::Example;
use asdlc_tests::exposition::Kind;

use super::traffic::{self, Client, DURATION_COUNT, Ledger, REQUESTS, TASKS, UNGUESSABLE, WAIT};

const DURATION: &str = "asdlc_http_request_duration_seconds";

// O-02 O-03
#[test]
fn every_request_is_counted_and_timed_under_its_method_route_and_status() {
    let orchestrator = traffic::start();
    let mut client = Client::of(&orchestrator);
    client.one_of_each();
    let scrape = client.sent.assert_counted(&orchestrator);
    assert_eq!(scrape.family(REQUESTS).and_then(|family| family.kind), Some(Kind::Counter));
    assert_eq!(scrape.family(DURATION).and_then(|family| family.kind), Some(Kind::Histogram));
    assert_eq!(
        scrape.samples("asdlc_http_request_duration_seconds_sum").count(),
        scrape.samples(DURATION_COUNT).count()
    );
}

#[test]
fn failed_requests_are_also_counted_as_failed() {
    let orchestrator = traffic::start();
    let mut client = Client::of(&orchestrator);
    client.one_of_each();
    let scrape = client.sent.assert_counted(&orchestrator);
    let failed =
        scrape.sum_by("asdlc_http_requests_failed_total", ["method", "endpoint", "status"]);
    assert_eq!(&failed, client.sent.failed().by_labels());
}

// O-02
#[test]
fn counters_are_cumulative_across_scrapes() {
    let orchestrator = traffic::start();
    let mut client = Client::of(&orchestrator);
    for _ in 0..3 {
        client.one_of_each();
        client.sent.assert_counted(&orchestrator);
    }
}

// O-02 O-03
#[test]
fn scrapes_are_not_counted_whatever_their_method_and_query() {
    let orchestrator = Example::start("orchestrator");
    let mut connection = orchestrator.connect();
    for path in ["/metrics", "/metrics?", "/metrics?name=x"] {
        connection.get(path);
    }
    connection.request("HEAD", "/metrics");
    connection.request("POST", "/metrics");
    Ledger::default().assert_counted(&orchestrator);
    let mut client = Client::of(&orchestrator);
    client.get("/health", "/health", 200);
    client.sent.assert_counted(&orchestrator);
}

// O-02 O-08
#[test]
fn no_raw_path_and_no_query_string_becomes_a_label() {
    let orchestrator = traffic::start();
    let mut client = Client::of(&orchestrator);
    let series_after = |client: &mut Client| {
        client.one_of_each();
        client.sent.assert_counted(&orchestrator).all_samples().len()
    };
    let before = series_after(&mut client);
    // The same kinds of requests, with other ids and other random paths.
    assert_eq!(series_after(&mut client), before);
    let scrape = orchestrator.scrape();
    let labels: Vec<_> = scrape.all_samples().iter().flat_map(|sample| &sample.labels).collect();
    for hint in [UNGUESSABLE, "?", "secret", "not-a-number", "18446744073709551615"] {
        assert!(labels.iter().all(|(_, value)| !value.contains(hint)), "{hint} is in {labels:?}");
    }
}

// O-07
#[test]
fn requests_of_concurrent_connections_are_each_counted_once() {
    const CONNECTIONS: usize = 8;
    const ROUNDS: usize = 25;
    let orchestrator = traffic::start();
    let drive = || {
        let mut client = Client::of(&orchestrator);
        for _ in 0..ROUNDS {
            client.one_of_each();
        }
        client.sent
    };
    let mut sent = Ledger::default();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(drive)).collect();
        for client in clients {
            sent += &client.join().expect("no client fails");
        }
    });
    sent.assert_counted(&orchestrator);
}

// O-03
#[test]
fn the_default_boundaries_go_from_5_ms_to_10_s() {
    let orchestrator = Example::start("orchestrator");
    let mut client = Client::of(&orchestrator);
    client.get("/health", "/health", 200);
    let scrape = client.sent.assert_counted(&orchestrator);
    let bounds: Vec<_> =
        scrape.samples(DURATION_BUCKET).filter_map(|bucket| bucket.label("le")).collect();
    assert_eq!(
        bounds,
        ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]
    );
}

// O-03
#[test]
fn latency_is_measured_in_seconds_to_the_end_of_the_response() {
    let orchestrator = Example::start("orchestrator");
    let mut client = Client::of(&orchestrator);
    let id = client.submit("wait", "800");
    let start = Instant::now();
    client.get(&format!("{TASKS}/{id}/wait"), WAIT, 200);
    let observed = start.elapsed().as_secs_f64();
    let scrape = client.sent.assert_counted(&orchestrator);
    let slow = [("method", "GET"), ("endpoint", WAIT)];
    let sum = scrape.value("asdlc_http_request_duration_seconds_sum", &slow).expect("it was timed");
    // The task started before this request, and the client measured longer than the server.
    assert!((0.4..=observed).contains(&sum), "{sum} of {observed} observed");
    let up_to = |le: &'static str| scrape.value(DURATION_BUCKET, &[slow[0], slow[1], ("le", le)]);
    assert_eq!([up_to("0.25"), up_to("10")], [Some(0.0), Some(1.0)]);
    // Other requests are still fast.
    let submitted = scrape.value("asdlc_http_request_duration_seconds_sum", &[("method", "POST")]);
    assert!(submitted.is_some_and(|sum| (0.0..0.4).contains(&sum)), "{submitted:?}");
}

const DURATION_BUCKET: &str = "asdlc_http_request_duration_seconds_bucket";
