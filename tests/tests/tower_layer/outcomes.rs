//! When a request ends, and that it ends once: at its last byte, or when its client leaves.

use std::future::pending;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use asdlc_exporter::Exporter;
use asdlc_tests::in_process::Server;
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use tower_asdlc_metrics::HttpMetricsLayer;

use super::bodies::Held;
use super::{assert_counted, exporter, exposition};

// O-03 X-01
#[test]
fn a_response_is_recorded_at_its_last_byte_and_not_before() {
    let exporter = exporter();
    let (release, body) = Held::new();
    let server = serve(&exporter, body);
    let mut client = ask(&server, "/held");
    await_head(&mut client);
    let head = Instant::now();
    assert_eq!(exposition(&exporter).sum("http_requests_total"), 0.0);
    assert_eq!(exposition(&exporter).sum("http_request_duration_seconds_count"), 0.0);
    assert_eq!(in_flight(&exporter), Some(1.0));
    let after_head = head.elapsed();
    drop(release);
    let mut rest = String::new();
    client.read_to_string(&mut rest).expect("it closes");
    assert_eq!(rest, "tail");
    assert_ended(&exporter, "/held", "200");
    assert!(
        exposition(&exporter).sum("http_request_duration_seconds_sum") > after_head.as_secs_f64()
    );
}

//
#[test]
fn a_client_that_leaves_within_the_body_is_counted_once_under_the_status_it_got() {
    let exporter = exporter();
    let (_held, body) = Held::new();
    let server = serve(&exporter, body);
    let mut client = ask(&server, "/held");
    await_head(&mut client);
    drop(client);
    assert_ended(&exporter, "/held", "200");
}

//
#[test]
fn a_client_that_leaves_before_the_head_is_counted_once_under_499() {
    let exporter = exporter();
    let server = serve(&exporter, Held::new().1);
    let client = ask(&server, "/never");
    assert!(eventually(DEADLINE, || in_flight(&exporter) == Some(1.0)));
    drop(client);
    assert_ended(&exporter, "/never", "499");
}

/// `/held` answers with `body`, to one request; `/never` does not answer.
fn serve(exporter: &Exporter, body: Held) -> Server {
    let body = Arc::new(Mutex::new(Some(body)));
    let held = || async move {
        Body::new(body.lock().expect("nobody panics").take().expect("there is one request"))
    };
    let router = Router::new()
        .route("/held", get(held))
        .route("/never", get(pending::<()>))
        .layer(HttpMetricsLayer::new(&exporter.meter()));
    Server::axum(router)
}

fn ask(server: &Server, path: &str) -> TcpStream {
    let mut client = TcpStream::connect(server.address()).expect("it listens");
    client.set_read_timeout(Some(DEADLINE)).expect("a deadline can be set");
    client.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).expect("it reads");
    client
}

/// Reads up to the first chunk of a [`Held`] body.
fn await_head(client: &mut TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"head ") {
        let mut byte = [0];
        client.read_exact(&mut byte).expect("it answers");
        read.extend(byte);
    }
}

/// The one request to `endpoint` has been recorded, and nothing is left of it.
#[track_caller]
fn assert_ended(exporter: &Exporter, endpoint: &str, status: &str) {
    assert_counted(exporter, &[(["GET", endpoint, status], 1)]);
    assert!(eventually(DEADLINE, || in_flight(exporter) == Some(0.0)));
}

fn in_flight(exporter: &Exporter) -> Option<f64> {
    exposition(exporter).value("http_requests_in_flight", &[("method", "GET")])
}
