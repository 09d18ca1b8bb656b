//! The layer on a tonic server over a real HTTP/2 connection: unary and streaming calls of tonic's health service.

use std::net::SocketAddr;

use asdlc_exporter::Exporter;

use asdlc_tests::wait::{DEADLINE, eventually};
use tokio::runtime::Runtime;
use tonic::Code;
use tonic::codegen::http::uri::PathAndQuery;

use tonic::transport::{Channel, Server};
use tonic_health::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{FILE_DESCRIPTOR_SET, HealthCheckRequest};
use tower_asdlc_metrics::{Endpoint, GrpcMethods, HttpMetricsLayer, MatchedRoute};

use super::{exporter, exposition, failed_by_type, in_flight, tonic_listener};

// G-01
#[test]
fn the_status_of_a_unary_call_is_read_from_the_trailers_or_the_headers() {
    let server = RunningServer::start();
    server.runtime.block_on(async {
        let mut client = server.client().await;
        for _ in 0..3 {
            client.check(request("known")).await.expect("it is known");
        }
        let unknown = client.check(request("unknown")).await.expect_err("it is not known");
        assert_eq!(unknown.code(), Code::NotFound);
    });
    server.assert_counted(&[([CHECK, "OK", "200"], 3.0), ([CHECK, "NOT_FOUND", "200"], 1.0)]);
    assert_eq!(failed_by_type(&server.exporter), [("client_error".to_owned(), 1.0)]);
}

// G-01
#[test]
fn a_stream_is_timed_and_in_flight_until_it_ends() {
    let server = RunningServer::start();
    let held = server.runtime.block_on(async {
        let mut client = server.client().await;
        let mut watch = client.watch(request("known")).await.expect("it is known").into_inner();
        watch.message().await.expect("the stream continues").expect("the first status");
        assert_eq!(in_flight(&server.exporter), 1.0);
        assert_eq!(exposition(&server.exporter).sum("http_requests_total"), 0.0);
        let start = std::time::Instant::now();
        // The server sends a second status while the stream is open.
        server.reporter.set_service_status("known", ServingStatus::NotServing).await;
        watch.message().await.expect("the stream continues").expect("the second status");
        start.elapsed()
    });
    // The client has disconnected, so the server sent no trailers.
    server.assert_counted(&[([WATCH, "CANCELLED", "200"], 1.0)]);
    let timed = exposition(&server.exporter).sum("http_request_duration_seconds_sum");
    assert!(timed > held.as_secs_f64());
    assert_eq!(failed_by_type(&server.exporter), [("aborted".to_owned(), 1.0)]);
}

// G-01 X-03
#[test]
fn methods_that_the_server_does_not_have_are_one_endpoint() {
    let server = RunningServer::start();
    server.runtime.block_on(async {
        let channel = server.channel().await;
        let mut client = tonic::client::Grpc::new(channel);
        for number in 0..200 {
            for service in ["grpc.health.v1.Health", "other.Service"] {
                let path = PathAndQuery::try_from(format!("/{service}/Random{number}"));
                client.ready().await.expect("it is connected");
                let codec = tonic_prost::ProstCodec::<HealthCheckRequest, ()>::default();
                let response = client.unary(request("x"), path.expect("a path"), codec).await;
                let error = response.expect_err("there is no such method");
                assert_eq!(error.code(), Code::Unimplemented);
            }
        }
    });
    server.assert_counted(&[(["_OTHER", "UNIMPLEMENTED", "200"], 400.0)]);
}

// F-09: one axum router with gRPC over HTTP/2 and HTTP/1 routes.
#[test]
fn a_server_of_grpc_and_http_has_the_endpoints_of_both() {
    let exporter = exporter();
    let methods = GrpcMethods::new([CHECK, WATCH]);
    let layer = HttpMetricsLayer::builder(methods.or(MatchedRoute)).build(&exporter.meter());
    let (_reporter, health) = tonic_health::server::health_reporter();
    let router = tonic::service::Routes::new(health)
        .into_axum_router()
        .route("/items/{id}", axum::routing::get(async || "an item"))
        .layer(layer.expect("the settings are valid"));
    let server = asdlc_tests::in_process::Server::axum(router);
    let mut http = asdlc_tests::client::Connection::open(server.address());
    assert_eq!(http.get("/items/1").body(), "an item");
    http.get("/nowhere");
    Runtime::new().expect("a runtime can be built").block_on(async {
        let endpoint = Channel::from_shared(format!("http://{}", server.address()));
        let channel = endpoint.expect("a URI").connect().await.expect("the server listens");
        let mut client = HealthClient::new(channel.clone());
        client.check(request("")).await.expect("the server itself is healthy");
        let mut other = tonic::client::Grpc::new(channel);
        other.ready().await.expect("it is connected");
        let path = PathAndQuery::from_static("/grpc.health.v1.Health/Other");
        let codec = tonic_prost::ProstCodec::<HealthCheckRequest, ()>::default();
        other.unary(request(""), path, codec).await.expect_err("there is no such method");
    });
    let counted = || exposition(&exporter).sum_by("http_requests_total", ["endpoint", "status"]);
    let expected = [
        ([CHECK, "200"], 1.0),
        (["_OTHER", "200"], 1.0),
        (["/items/{id}", "200"], 1.0),
        // tonic's response to an unknown path.
        (["_UNMATCHED", "200"], 1.0),
    ];
    let expected = expected.map(|(labels, count)| (labels.map(str::to_owned), count)).into();
    assert!(eventually(DEADLINE, || counted() == expected), "{:?}", counted());
}

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

struct RunningServer {
    runtime: Runtime,
    address: SocketAddr,
    exporter: Exporter,
    reporter: tonic_health::server::HealthReporter,
}

impl RunningServer {
    fn start() -> Self {
        let exporter = exporter();
        let methods = GrpcMethods::from_file_descriptor_sets(&[FILE_DESCRIPTOR_SET]);
        let layer = HttpMetricsLayer::builder(methods.expect("it is a set"));
        let layer = layer.build(&exporter.meter()).expect("the defaults are valid");
        let runtime = Runtime::new().expect("a runtime can be built");
        let (reporter, health) = tonic_health::server::health_reporter();
        let address = runtime.block_on(async {
            reporter.set_service_status("known", ServingStatus::Serving).await;
            let (incoming, address) = tonic_listener();
            let server = Server::builder().layer(layer).add_service(health);
            tokio::spawn(server.serve_with_incoming(incoming));
            address
        });
        Self { runtime, address, exporter, reporter }
    }

    async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.address));
        endpoint.expect("a URI").connect().await.expect("the server listens")
    }

    async fn client(&self) -> HealthClient<Channel> {
        HealthClient::new(self.channel().await)
    }

    /// Checks that exactly these calls, by method, gRPC status and HTTP status, were recorded, and that none is in flight.
    #[track_caller]
    fn assert_counted(&self, calls: &[([&str; 3], f64)]) {
        let calls = calls.iter().map(|(labels, count)| (labels.map(str::to_owned), *count));
        let calls = calls.collect();
        let counted = || {
            let labels = ["endpoint", "grpc_status", "status"];
            exposition(&self.exporter).sum_by("http_requests_total", labels)
        };
        let done = || counted() == calls && in_flight(&self.exporter) == 0.0;
        assert!(eventually(DEADLINE, done), "{:?}", counted());
    }
}

fn request(service: &str) -> tonic::Request<HealthCheckRequest> {
    tonic::Request::new(HealthCheckRequest { service: service.to_owned() })
}
