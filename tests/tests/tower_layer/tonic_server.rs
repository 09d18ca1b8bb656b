//! A tonic server over a real HTTP/2 connection: its own health service, unary and streaming.

use std::net::SocketAddr;

use asdlc_exporter::Exporter;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::wait::{DEADLINE, eventually};
use tokio::runtime::Runtime;
use tonic::Code;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower_asdlc_metrics::{Endpoint, GrpcMethods, HttpMetricsLayer, MatchedRoute};

// G-01
#[test]
fn a_unary_call_has_its_status_from_the_trailers_or_the_headers() {
    let server = Running::start();
    server.runtime.block_on(async {
        let mut client = server.client().await;
        for _ in 0..3 {
            client.check(request("known")).await.expect("it is known");
        }
        let unknown = client.check(request("unknown")).await.expect_err("it is not");
        assert_eq!(unknown.code(), Code::NotFound);
    });
    server.assert_counted(&[([CHECK, "OK", "200"], 3.0), ([CHECK, "NOT_FOUND", "200"], 1.0)]);
    let failed = server.exposition().sum_by("http_requests_failed_total", ["error_type"]);
    assert_eq!(failed.into_iter().collect::<Vec<_>>(), [(["client_error".to_owned()], 1.0)]);
}

// G-01
#[test]
fn a_stream_is_timed_and_in_flight_to_its_end() {
    let server = Running::start();
    let held = server.runtime.block_on(async {
        let mut client = server.client().await;
        let mut watch = client.watch(request("known")).await.expect("it is known").into_inner();
        watch.message().await.expect("it streams").expect("the first status");
        assert_eq!(server.exposition().sum("http_requests_in_flight"), 1.0);
        assert_eq!(server.exposition().sum("http_requests_total"), 0.0);
        let start = std::time::Instant::now();
        // A second status, from the server, while the stream is open.
        server.reporter.set_service_status("known", ServingStatus::NotServing).await;
        watch.message().await.expect("it streams").expect("the second status");
        start.elapsed()
    });
    // The client is gone, and so is the call; no trailers were sent.
    server.assert_counted(&[([WATCH, "CANCELLED", "200"], 1.0)]);
    let exposition = server.exposition();
    assert!(exposition.sum("http_request_duration_seconds_sum") > held.as_secs_f64());
    let failed = exposition.sum_by("http_requests_failed_total", ["error_type"]);
    assert_eq!(failed.into_iter().collect::<Vec<_>>(), [(["aborted".to_owned()], 1.0)]);
}

// G-01 X-03
#[test]
fn methods_that_the_server_does_not_have_are_one_endpoint() {
    let server = Running::start();
    server.runtime.block_on(async {
        let channel = server.channel().await;
        let mut client = tonic::client::Grpc::new(channel);
        for number in 0..200 {
            for service in ["grpc.health.v1.Health", "other.Service"] {
                let path = PathAndQuery::try_from(format!("/{service}/Random{number}"));
                client.ready().await.expect("it is connected");
                let codec = tonic_prost::ProstCodec::<HealthCheckRequest, ()>::default();
                let answer = client.unary(request("x"), path.expect("a path"), codec).await;
                assert_eq!(answer.expect_err("there is none").code(), Code::Unimplemented);
            }
        }
    });
    server.assert_counted(&[(["_OTHER", "UNIMPLEMENTED", "200"], 400.0)]);
}

// F-09: one axum router for both, over real HTTP/2 and HTTP/1.
#[test]
fn a_server_of_grpc_and_http_has_the_endpoints_of_both() {
    let exporter = Exporter::builder("under-test").build().expect("the name is valid");
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
        let channel = endpoint.expect("a URI").connect().await.expect("it listens");
        let mut client = HealthClient::new(channel.clone());
        client.check(request("")).await.expect("the server itself is healthy");
        let mut other = tonic::client::Grpc::new(channel);
        other.ready().await.expect("it is connected");
        let path = PathAndQuery::from_static("/grpc.health.v1.Health/Other");
        let codec = tonic_prost::ProstCodec::<HealthCheckRequest, ()>::default();
        other.unary(request(""), path, codec).await.expect_err("there is none");
    });
    let counted = || {
        let body = exporter.render().expect("it renders");
        let exposition = Exposition::parse(body.as_ref()).expect("it renders valid text");
        exposition.sum_by("http_requests_total", ["endpoint", "status"])
    };
    let expected = [
        ([CHECK, "200"], 1.0),
        (["_OTHER", "200"], 1.0),
        (["/items/{id}", "200"], 1.0),
        // tonic's answer to what it does not know.
        (["_UNMATCHED", "200"], 1.0),
    ];
    let expected = expected.map(|(labels, count)| (labels.map(str::to_owned), count)).into();
    assert!(eventually(DEADLINE, || counted() == expected), "{:?}", counted());
}

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

struct Running {
    runtime: Runtime,
    address: SocketAddr,
    exporter: Exporter,
    reporter: tonic_health::server::HealthReporter,
}

impl Running {
    fn start() -> Self {
        let exporter = Exporter::builder("under-test").build().expect("the name is valid");
        let layer = HttpMetricsLayer::builder(GrpcMethods::new([CHECK, WATCH]));
        let layer = layer.build(&exporter.meter()).expect("the defaults are valid");
        let runtime = Runtime::new().expect("a runtime can be built");
        let (reporter, health) = tonic_health::server::health_reporter();
        let address = runtime.block_on(async {
            reporter.set_service_status("known", ServingStatus::Serving).await;
            let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
            let incoming = TcpIncoming::bind(loopback).expect("loopback has a free port");
            let address = incoming.local_addr().expect("a listener has an address");
            let server = Server::builder().layer(layer).add_service(health);
            tokio::spawn(server.serve_with_incoming(incoming));
            address
        });
        Self { runtime, address, exporter, reporter }
    }

    async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.address));
        endpoint.expect("a URI").connect().await.expect("it listens")
    }

    async fn client(&self) -> HealthClient<Channel> {
        HealthClient::new(self.channel().await)
    }

    fn exposition(&self) -> Exposition {
        let body = self.exporter.render().expect("it renders");
        Exposition::parse(body.as_ref()).expect("it renders valid text")
    }

    /// Exactly these calls, by method, gRPC status and HTTP status, are recorded, and none is in flight.
    #[track_caller]
    fn assert_counted(&self, calls: &[([&str; 3], f64)]) {
        let calls = calls.iter().map(|(labels, count)| (labels.map(str::to_owned), *count));
        let calls = calls.collect();
        let counted = || {
            self.exposition().sum_by("http_requests_total", ["endpoint", "grpc_status", "status"])
        };
        let done = || counted() == calls && self.exposition().sum("http_requests_in_flight") == 0.0;
        assert!(eventually(DEADLINE, done), "{:?}", counted());
    }
}

fn request(service: &str) -> tonic::Request<HealthCheckRequest> {
    tonic::Request::new(HealthCheckRequest { service: service.to_owned() })
}
