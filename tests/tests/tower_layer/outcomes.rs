//! A request is recorded once: at the last byte of its response, or when its client disconnects.

use std::future::pending;
use std::io::Read;
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

use super::bodies::Frames;
use super::{assert_counted, exporter, exposition, read_until, send_bytes};

// O-03 X-01
#[test]
fn a_response_is_recorded_at_its_last_byte_and_not_before() {
    let exporter = exporter();
    let (release, body) = Frames::held();
    let server = serve(&exporter, body);
    let mut client = send_get(&server, "/held");
    read_until(&mut client, b"head ");
    let head = Instant::now();
    assert_eq!(exposition(&exporter).sum("http_requests_total"), 0.0);
    assert_eq!(exposition(&exporter).sum("http_request_duration_seconds_count"), 0.0);
    assert_eq!(in_flight(&exporter), Some(1.0));
    let after_head = head.elapsed();
    drop(release);
    let mut rest = String::new();
    client.read_to_string(&mut rest).expect("the server closes the connection");
    assert_eq!(rest, "tail");
    assert_ended(&exporter, "/held", "200");
    assert!(
        exposition(&exporter).sum("http_request_duration_seconds_sum") > after_head.as_secs_f64()
    );
}

//
#[test]
fn a_client_that_disconnects_within_the_body_is_counted_once_under_the_status_it_got() {
    let exporter = exporter();
    let (_held, body) = Frames::held();
    let server = serve(&exporter, body);
    let mut client = send_get(&server, "/held");
    read_until(&mut client, b"head ");
    drop(client);
    assert_ended(&exporter, "/held", "200");
}

//
#[test]
fn a_client_that_disconnects_before_the_head_is_counted_once_under_499() {
    let exporter = exporter();
    let server = serve(&exporter, Frames::held().1);
    let client = send_get(&server, "/never");
    assert!(eventually(DEADLINE, || in_flight(&exporter) == Some(1.0)));
    drop(client);
    assert_ended(&exporter, "/never", "499");
}

/// `/held` responds with `body`, to one request. `/never` does not respond.
fn serve(exporter: &Exporter, body: Frames) -> Server {
    let body = Arc::new(Mutex::new(Some(body)));
    let held = || async move {
        Body::new(body.lock().expect("no holder panics").take().expect("there is one request"))
    };
    let router = Router::new()
        .route("/held", get(held))
        .route("/never", get(pending::<()>))
        .layer(HttpMetricsLayer::new(&exporter.meter()));
    Server::axum(router)
}

fn send_get(server: &Server, path: &str) -> TcpStream {
    send_bytes(server.address(), &format!("GET {path} HTTP/1.0\r\n\r\n"))
}

/// Checks that the one request to `endpoint` has been recorded and is no longer in flight.
#[track_caller]
fn assert_ended(exporter: &Exporter, endpoint: &str, status: &str) {
    assert_counted(exporter, &[(["GET", endpoint, status], 1)]);
    assert!(eventually(DEADLINE, || in_flight(exporter) == Some(0.0)));
}

fn in_flight(exporter: &Exporter) -> Option<f64> {
    exposition(exporter).value("http_requests_in_flight", &[("method", "GET")])
}
