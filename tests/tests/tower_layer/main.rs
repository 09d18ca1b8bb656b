//! `tower-asdlc-metrics` around services of this process, behind real sockets.

mod axum_server;
mod backpressure;
mod bodies;
mod content_length;
mod grpc_status;
mod grpc_web;
mod http2_connection;
mod http2_server;
mod hyper_server;
mod metric_policy;
mod outcomes;
mod streaming_endpoints;
mod tonic_server;
mod transparency;
mod unlisted_methods;
mod unmatched_warning;
mod upgrades;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use asdlc_exporter::Exporter;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::wait::{DEADLINE, eventually};
use tonic::transport::server::TcpIncoming;

fn exporter() -> Exporter {
    Exporter::builder("under-test").build().expect("the name is valid")
}

/// The exposition of `exporter` at this moment.
fn exposition(exporter: &Exporter) -> Exposition {
    let body = exporter.render().expect("it renders");
    Exposition::parse(body.as_ref()).expect("it renders valid text")
}

/// The requests in flight, of all methods.
fn in_flight(exporter: &Exporter) -> f64 {
    exposition(exporter).sum("http_requests_in_flight")
}

/// Waits until exactly `expected` requests are in flight.
#[track_caller]
fn await_in_flight(exporter: &Exporter, expected: f64) {
    let reached = eventually(DEADLINE, || in_flight(exporter) == expected);
    assert!(reached, "{} requests are in flight, not {expected}", in_flight(exporter));
}

/// Checks that exactly the requests `sent`, by method, endpoint and status, were counted and timed. The server may record a
/// request a moment after its client has read the response.
#[track_caller]
fn assert_counted(exporter: &Exporter, sent: &[([&str; 3], u32)]) {
    let sent: BTreeMap<_, _> =
        sent.iter().map(|(labels, times)| (labels.map(str::to_owned), f64::from(*times))).collect();
    let total: f64 = sent.values().sum();
    let arrived = eventually(DEADLINE, || {
        let exposition = exposition(exporter);
        exposition.sum("http_requests_total") >= total
            && exposition.sum("http_request_duration_seconds_count") >= total
    });
    let exposition = exposition(exporter);
    assert_eq!(exposition.sum_by("http_requests_total", ["method", "endpoint", "status"]), sent);
    assert!(arrived);
    let mut timed = BTreeMap::new();
    for ([method, endpoint, _], times) in sent {
        *timed.entry([method, endpoint]).or_insert(0.0) += times;
    }
    assert_eq!(
        exposition.sum_by("http_request_duration_seconds_count", ["method", "endpoint"]),
        timed
    );
}

/// The failed requests, by their error type.
fn failed_by_type(exporter: &Exporter) -> Vec<(String, f64)> {
    let failed = exposition(exporter).sum_by("http_requests_failed_total", ["error_type"]);
    failed.into_iter().map(|([error], count)| (error, count)).collect()
}

/// Connects to `address` and sends the bytes of `request`.
fn send_bytes(address: SocketAddr, request: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).expect("the server listens");
    client.set_read_timeout(Some(DEADLINE)).expect("a read timeout can be set");
    client.write_all(request.as_bytes()).expect("the server reads the request");
    client
}

/// Reads byte by byte up to `end`, and returns what was read.
fn read_until(client: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    while !read.ends_with(end) {
        let mut byte = [0];
        client.read_exact(&mut byte).expect("the server responds");
        read.extend(byte);
    }
    read
}

/// A free loopback address for a tonic server.
fn tonic_listener() -> (TcpIncoming, SocketAddr) {
    let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0)));
    let incoming = incoming.expect("loopback has a free port");
    let address = incoming.local_addr().expect("a listener has an address");
    (incoming, address)
}
