//! Calls of all four kinds and their metrics.

use std::time::{Duration, Instant};

use asdlc_tests::exposition::Exposition;
use http::header;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::client::{LAST, RECORD, Reading, SMOOTH, Server, WATCH, reading};

// G-01
#[test]
fn a_unary_call_is_counted_by_its_method_and_its_status() {
    let server = Server::start();
    server.runtime.block_on(async {
        let mut client = server.client().await;
        // An error without a body has its status in the headers, OK is in the trailers.
        assert_eq!(client.last("t1").await.expect_err("no reading yet").code(), Code::NotFound);
        client.record(tokio_stream::iter([reading("t1", 20.5)])).await.expect("it is a number");
        for _ in 0..3 {
            assert_eq!(client.last("t1").await.expect("it exists"), reading("t1", 20.5));
        }
    });
    let scrape = server.assert_counted(&[
        ([LAST, "NOT_FOUND", "200"], 1.0),
        ([LAST, "OK", "200"], 3.0),
        ([RECORD, "OK", "200"], 1.0),
    ]);
    let failed = scrape.sum_by("http_requests_failed_total", ["endpoint", "error_type"]);
    assert_eq!(
        failed.into_iter().collect::<Vec<_>>(),
        [([LAST, "client_error"].map(str::to_owned), 1.0)]
    );
}

// G-01
#[test]
fn a_client_stream_is_one_call_that_ends_with_its_response() {
    let server = Server::start();
    let held = server.runtime.block_on(async {
        let mut client = server.client().await;
        let (sender, readings) = mpsc::channel(1);
        let call = tokio::spawn(async move { client.record(ReceiverStream::new(readings)).await });
        for value in 0..10 {
            sender.send(reading("t1", f64::from(value))).await.expect("the server accepts it");
        }
        server.await_in_flight();
        let start = Instant::now();
        assert_eq!(server.scrape().sum("http_requests_total"), 0.0);
        tokio::time::sleep(HELD).await;
        drop(sender);
        let held = start.elapsed();
        assert_eq!(call.await.expect("no panic").expect("they are numbers"), 10);
        held
    });
    let scrape = server.assert_counted(&[([RECORD, "OK", "200"], 1.0)]);
    assert_held(&scrape, held);
}

// G-01
#[test]
fn a_server_stream_is_timed_and_in_flight_until_it_ends() {
    let server = Server::start();
    let held = server.runtime.block_on(async {
        let mut client = server.client().await;
        let mut watch = client.watch("t1").await.expect("the stream continues");
        let start = Instant::now();
        for value in [1.0, 2.0] {
            client
                .record(tokio_stream::iter([reading("other", 9.0), reading("t1", value)]))
                .await
                .expect("numbers");
            let next = watch.message().await.expect("the stream continues").expect("a reading");
            assert_eq!(next, reading("t1", value));
        }
        assert_eq!(server.in_flight(), 1.0);
        tokio::time::sleep(HELD).await;
        start.elapsed()
    });
    // The client has disconnected, so the server sent no trailers and no status.
    let scrape =
        server.assert_counted(&[([RECORD, "OK", "200"], 2.0), ([WATCH, "CANCELLED", "200"], 1.0)]);
    assert_held(&scrape, held);
    let failed = scrape.sum_by("http_requests_failed_total", ["endpoint", "error_type"]);
    assert_eq!(
        failed.into_iter().collect::<Vec<_>>(),
        [([WATCH, "aborted"].map(str::to_owned), 1.0)]
    );
}

// G-01
#[test]
fn a_bidirectional_call_ends_when_both_streams_have_ended() {
    let server = Server::start();
    let held = server.runtime.block_on(async {
        let mut client = server.client().await;
        let (sender, readings) = mpsc::channel(1);
        sender.send(reading("t1", 1.0)).await.expect("the server accepts it");
        let mut means =
            client.smooth(ReceiverStream::new(readings)).await.expect("the stream continues");
        let start = Instant::now();
        let mut next = async || means.message().await.expect("the stream continues");
        assert_eq!(next().await, Some(reading("t1", 1.0)));
        sender.send(reading("t1", 4.0)).await.expect("the server accepts it");
        assert_eq!(next().await, Some(reading("t1", 2.5)));
        tokio::time::sleep(HELD).await;
        let held = start.elapsed();
        drop(sender);
        assert_eq!(next().await, None);
        held
    });
    let scrape = server.assert_counted(&[([SMOOTH, "OK", "200"], 1.0)]);
    assert_held(&scrape, held);
    assert_eq!(scrape.sum("http_requests_failed_total"), 0.0);
}

// G-01 X-03
#[test]
fn methods_that_the_server_does_not_have_are_one_endpoint() {
    let server = Server::start();
    server.runtime.block_on(async {
        let mut client = server.client().await;
        for number in 0..100 {
            for service in ["telemetry.v1.Readings", "other.Service"] {
                let method = format!("/{service}/Random{number}");
                let answer = client.unary::<Reading, Reading>(&method, reading("t1", 1.0)).await;
                assert_eq!(answer.expect_err("there is none").code(), Code::Unimplemented);
            }
        }
    });
    server.assert_counted(&[(["_OTHER", "UNIMPLEMENTED", "200"], 200.0)]);
}

// G-01
#[test]
fn a_scrape_on_the_same_port_is_valid_and_is_not_counted() {
    let server = Server::start();
    let response = server.example.scrape_response();
    assert_eq!(response.status(), 200);
    let content_type = &response.headers()[header::CONTENT_TYPE];
    assert_eq!(content_type, "text/plain; version=0.0.4; charset=utf-8");
    let scrape = Exposition::parse(response.body()).expect("it is valid");
    assert_eq!(scrape.sum("http_requests_total"), 0.0);
    let info = [("service", "grpc"), ("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(scrape.value("service_info", &info), Some(1.0));
}

#[track_caller]
fn assert_held(scrape: &Exposition, held: Duration) {
    let sum = scrape.sum("http_request_duration_seconds_sum");
    assert!(sum >= held.as_secs_f64() && held >= HELD, "{sum} s, but it was open for {held:?}");
}

/// How long a stream stays open, so that its duration is clearly longer than the time to its head.
const HELD: Duration = Duration::from_millis(200);
