//! gRPC-Web calls that tonic-web translates, with the layer outside and inside of tonic-web.

use std::net::SocketAddr;

use asdlc_exporter::Exporter;
use asdlc_tests::client::Connection;
use asdlc_tests::wait::{DEADLINE, eventually};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_web::GrpcWebLayer;
use tower_asdlc_metrics::{GrpcMethods, HttpMetricsLayer};

use super::{exporter, exposition, in_flight, tonic_listener};

// F-01
#[test]
fn the_status_is_that_of_the_trailer_frame_in_each_format() {
    let server = RunningServer::start(LayerPosition::Outside);
    let mut connection = Connection::open(server.address);
    for format in FORMATS {
        let response = call(&mut connection, format, format, "known");
        assert_eq!(response.headers()["content-type"], format_of_response(format));
        assert!(!response.headers().contains_key("grpc-status"));
        // A response without a body has the status in its headers.
        assert_eq!(call(&mut connection, format, format, "unknown").headers()["grpc-status"], "5");
    }
    server.assert_counted(&[("OK", "", 4.0), ("NOT_FOUND", "client_error", 4.0)]);
}

// F-01, a neighbour: the format of the response counts, not that of the request.
#[test]
fn a_client_may_send_text_and_accept_another_format() {
    let server = RunningServer::start(LayerPosition::Outside);
    let mut connection = Connection::open(server.address);
    for (format, accept) in [(FORMATS[2], FORMATS[0]), (FORMATS[0], FORMATS[2])] {
        let response = call(&mut connection, format, accept, "known");
        assert_eq!(response.headers()["content-type"], format_of_response(accept));
    }
    server.assert_counted(&[("OK", "", 2.0)]);
}

// F-01
#[test]
fn inside_of_tonic_web_the_status_is_that_of_the_real_trailers() {
    let server = RunningServer::start(LayerPosition::Inside);
    let mut connection = Connection::open(server.address);
    for format in FORMATS {
        call(&mut connection, format, format, "known");
        call(&mut connection, format, format, "unknown");
    }
    server.assert_counted(&[("OK", "", 4.0), ("NOT_FOUND", "client_error", 4.0)]);
}

// F-01, a neighbour: a response of tonic-web itself has no gRPC status.
#[test]
fn a_rejection_without_a_grpc_status_has_the_one_of_its_http_status() {
    let server = RunningServer::start(LayerPosition::Outside);
    let mut connection = Connection::open(server.address);
    // tonic-web accepts gRPC over HTTP/2 only.
    assert_eq!(call(&mut connection, "application/grpc", "*/*", "known").status(), 400);
    server.assert_counted(&[("INTERNAL", "client_error", 1.0)]);
}

// F-01, a neighbour: a stream that its client ends has no trailer frame.
#[test]
fn a_stream_whose_client_disconnects_is_cancelled_and_not_unknown() {
    let server = RunningServer::start(LayerPosition::Outside);
    server.runtime.block_on(async {
        let mut client = TcpStream::connect(server.address).await.expect("the server listens");
        let body = body(FORMATS[0], "known");
        let head = format!(
            "POST {WATCH} HTTP/1.1\r\nHost: test\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
            FORMATS[0],
            body.len()
        );
        client.write_all(head.as_bytes()).await.expect("the server reads");
        client.write_all(&body).await.expect("the server reads");
        let mut read = Vec::new();
        // The first chunk is the first message.
        while !read.windows(4).any(|bytes| bytes == b"\x00\x00\x00\x02") {
            assert_ne!(client.read_buf(&mut read).await.expect("the server responds"), 0);
        }
    });
    server.assert_counted(&[("CANCELLED", "aborted", 1.0)]);
}

const FORMATS: [&str; 4] = [
    "application/grpc-web",
    "application/grpc-web+proto",
    "application/grpc-web-text",
    "application/grpc-web-text+proto",
];
const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

fn is_text(format: &str) -> bool {
    format.contains("text")
}

/// tonic-web has one spelling for each format.
fn format_of_response(accepted: &str) -> &'static str {
    if is_text(accepted) { FORMATS[3] } else { FORMATS[1] }
}

fn call(connection: &mut Connection, format: &str, accept: &str, service: &str) -> Response<Bytes> {
    let request = Request::post(CHECK).header("content-type", format).header("accept", accept);
    connection.send(request.body(body(format, service)).expect("a request"))
}

/// A `HealthCheckRequest` in a gRPC-Web frame.
fn body(format: &str, service: &str) -> Vec<u8> {
    let len = u8::try_from(service.len()).expect("a short name");
    let body = [&[0, 0, 0, 0, len + 2, 0x0a, len], service.as_bytes()].concat();
    if is_text(format) { BASE64_STANDARD.encode(body).into_bytes() } else { body }
}

/// Where the metrics layer is, seen from tonic-web.
#[derive(Clone, Copy)]
enum LayerPosition {
    Outside,
    Inside,
}

struct RunningServer {
    runtime: Runtime,
    address: SocketAddr,
    exporter: Exporter,
}

impl RunningServer {
    fn start(position: LayerPosition) -> Self {
        let exporter = exporter();
        let metrics = HttpMetricsLayer::builder(GrpcMethods::new([CHECK, WATCH]));
        let metrics = metrics.build(&exporter.meter()).expect("the defaults are valid");
        let runtime = Runtime::new().expect("a runtime can be built");
        let address = runtime.block_on(async {
            let (reporter, health) = tonic_health::server::health_reporter();
            reporter.set_service_status("known", ServingStatus::Serving).await;
            let (incoming, address) = tonic_listener();
            let server = Server::builder().accept_http1(true);
            match position {
                LayerPosition::Outside => {
                    let mut server = server.layer(metrics).layer(GrpcWebLayer::new());
                    tokio::spawn(server.add_service(health).serve_with_incoming(incoming));
                }
                LayerPosition::Inside => {
                    let mut server = server.layer(GrpcWebLayer::new()).layer(metrics);
                    tokio::spawn(server.add_service(health).serve_with_incoming(incoming));
                }
            }
            address
        });
        Self { runtime, address, exporter }
    }

    /// Checks that exactly these calls, by gRPC status and error type, were recorded, and that none is in flight.
    #[track_caller]
    fn assert_counted(&self, calls: &[(&str, &str, f64)]) {
        let all: f64 = calls.iter().map(|(_, _, count)| count).sum();
        let done = || {
            exposition(&self.exporter).sum("http_requests_total") >= all
                && in_flight(&self.exporter) == 0.0
        };
        assert!(eventually(DEADLINE, done));
        let exposition = exposition(&self.exporter);
        let requests = exposition.sum_by("http_requests_total", ["grpc_status"]);
        let by_status = calls.iter().map(|(status, _, count)| ([(*status).to_owned()], *count));
        assert_eq!(requests, by_status.collect());
        let failed = exposition.sum_by("http_requests_failed_total", ["grpc_status", "error_type"]);
        let by_type = calls.iter().filter(|(_, error, _)| !error.is_empty());
        let by_type =
            by_type.map(|(status, error, count)| ([*status, *error].map(str::to_owned), *count));
        assert_eq!(failed, by_type.collect());
    }
}
