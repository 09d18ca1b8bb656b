//! A method that a tonic server has and the layer's list has not is logged.

use tonic::Code;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Server};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{FILE_DESCRIPTOR_SET, HealthCheckRequest};
use tower_asdlc_metrics::{GrpcMethods, HttpMetricsLayer};
use tracing::dispatcher::{self, Dispatch};

use super::unmatched_warning::Log;
use super::{exporter, tonic_listener};

//
#[test]
fn a_method_that_is_served_and_not_listed_is_logged_once() {
    let log = log_of_calls(GrpcMethods::new(["/grpc.health.v1.Health/Watch"]));
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains("\"/grpc.health.v1.Health/Check\" is served, but not listed"), "{log}");
}

//
#[test]
fn with_the_file_descriptor_set_of_the_service_nothing_is_logged() {
    let methods = GrpcMethods::from_file_descriptor_sets(&[FILE_DESCRIPTOR_SET]);
    assert_eq!(log_of_calls(methods.expect("it is a set")), "");
}

/// The log of a server with tonic's health service, after calls to `Check` and to methods that it does not have.
fn log_of_calls(methods: GrpcMethods) -> String {
    let layer = HttpMetricsLayer::builder(methods).build(&exporter()).expect("it is valid");
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(log.clone())
        .finish();
    dispatcher::with_default(&Dispatch::new(subscriber), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be built").block_on(async {
            let (_reporter, health) = tonic_health::server::health_reporter();
            let (incoming, address) = tonic_listener();
            let server = Server::builder().layer(layer).add_service(health);
            tokio::spawn(server.serve_with_incoming(incoming));
            let channel = Channel::from_shared(format!("http://{address}")).expect("it is a URI");
            let channel = channel.connect().await.expect("the server listens");
            let mut client = HealthClient::new(channel.clone());
            for _ in 0..3 {
                call_unknown_methods(&channel).await;
                // The server's own status.
                client.check(HealthCheckRequest::default()).await.expect("it is serving");
            }
        });
    });
    log.text()
}

async fn call_unknown_methods(channel: &Channel) {
    let mut client = tonic::client::Grpc::new(channel.clone());
    for number in 0..100 {
        let path = PathAndQuery::try_from(format!("/grpc.health.v1.Health/Random{number}"));
        client.ready().await.expect("it is connected");
        let codec = tonic_prost::ProstCodec::<HealthCheckRequest, ()>::default();
        let request = tonic::Request::new(HealthCheckRequest::default());
        let response = client.unary(request, path.expect("a path"), codec).await;
        assert_eq!(response.expect_err("there is no such method").code(), Code::Unimplemented);
    }
}
