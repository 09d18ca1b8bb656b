//! The health and reflection services.

use std::collections::BTreeSet;

use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{FileDescriptorResponse, ServerReflectionRequest};

use super::client::Server;

const CHECK: &str = "/grpc.health.v1.Health/Check";
const INFO: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

// G-01
#[test]
fn health_checks_work_and_are_counted() {
    let server = Server::start();
    server.runtime.block_on(async {
        let mut client = HealthClient::new(server.channel().await);
        for service in ["", "telemetry.v1.Readings"] {
            let request = HealthCheckRequest { service: service.to_owned() };
            let HealthCheckResponse { status } =
                client.check(request).await.expect("it is known").into_inner();
            assert_eq!(status, i32::from(ServingStatus::Serving), "{service:?}");
        }
        let unknown = HealthCheckRequest { service: "other".to_owned() };
        client.check(unknown).await.expect_err("it is not known");
    });
    server.assert_counted(&[([CHECK, "NOT_FOUND", "200"], 1.0), ([CHECK, "OK", "200"], 2.0)]);
}

// G-01
#[test]
fn reflection_lists_every_service_and_describes_ours() {
    let server = Server::start();
    server.runtime.block_on(async {
        let mut client = ServerReflectionClient::new(server.channel().await);
        let requests = [
            MessageRequest::ListServices(String::new()),
            MessageRequest::FileContainingSymbol("telemetry.v1.Readings".to_owned()),
        ];
        let requests = requests.map(|message_request| ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message_request),
        });
        let answers = client.server_reflection_info(tokio_stream::iter(requests)).await;
        let mut answers = answers.expect("the stream continues").into_inner();
        let mut answer = async || {
            let next = answers.message().await.expect("the stream continues").expect("an answer");
            next.message_response.expect("the response has content")
        };
        let MessageResponse::ListServicesResponse(listed) = answer().await else {
            panic!("not a list")
        };
        let services: BTreeSet<_> =
            listed.service.into_iter().map(|service| service.name).collect();
        let expected = [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "telemetry.v1.Readings",
        ];
        assert_eq!(services, expected.map(str::to_owned).into());
        let described = answer().await;
        let MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto,
        }) = described
        else {
            panic!("not a file: {described:?}")
        };
        let text = String::from_utf8_lossy(&file_descriptor_proto.concat()).into_owned();
        assert!(["Last", "Record", "Watch", "Smooth"].iter().all(|name| text.contains(name)));
    });
    server.assert_counted(&[([INFO, "OK", "200"], 1.0)]);
}
