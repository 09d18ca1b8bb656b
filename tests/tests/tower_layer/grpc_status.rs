//! gRPC calls that end without a status from the service: the label is the status that a tonic client reports.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll};

use asdlc_exporter::Exporter;
use asdlc_tests::wait::{DEADLINE, eventually};
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use tokio::runtime::Runtime;
use tonic::body::Body;
use tonic::transport::{Channel, Server};
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::layer::layer_fn;
use tower_asdlc_metrics::{HttpMetricsLayer, endpoint_fn};

use super::{await_in_flight, exporter, exposition, tonic_listener};

// F-06
#[test]
fn a_call_without_a_status_has_the_one_that_its_client_derives_from_the_response() {
    let server = RunningServer::start();
    let mut expected = BTreeMap::new();
    for (path, code, error) in [
        ("/http/400", Code::Internal, "client_error"),
        ("/http/401", Code::Unauthenticated, "client_error"),
        ("/http/403", Code::PermissionDenied, "client_error"),
        ("/http/404", Code::Unimplemented, "client_error"),
        ("/http/429", Code::Unavailable, "client_error"),
        ("/http/502", Code::Unavailable, "server_error"),
        ("/http/503", Code::Unavailable, "server_error"),
        ("/http/504", Code::Unavailable, "timeout"),
        ("/http/500", Code::Unknown, "server_error"),
        ("/error", Code::Internal, "service_error"),
        ("/body-error", Code::Internal, "body_error"),
    ] {
        assert_eq!(server.call(path).expect_err(path).code(), code, "at the client: {path}");
        expected.insert([path, name(code), error].map(str::to_owned), 1.0);
    }
    server.assert_failed(&expected);
}

// F-06
#[test]
fn a_call_that_its_client_cancels_is_cancelled_before_and_after_the_head() {
    let server = RunningServer::start();
    for path in ["/never", "/begun"] {
        let call = server.runtime.spawn(server.send(path));
        await_in_flight(&server.exporter, 1.0);
        call.abort();
        await_in_flight(&server.exporter, 0.0);
    }
    let cancelled = [["/never", "CANCELLED", "cancelled"], ["/begun", "CANCELLED", "aborted"]];
    server.assert_failed(&cancelled.map(|labels| (labels.map(str::to_owned), 1.0)).into());
}

// F-06, a neighbour: the service panics instead of responding with a status.
#[test]
fn a_call_whose_service_panics_is_not_counted_as_cancelled_by_its_client() {
    let server = RunningServer::start();
    let code = server.call("/panic").expect_err("it panics").code();
    assert_eq!(code, Code::Cancelled, "tonic only resets the stream");
    let labels = ["/panic", "UNKNOWN", "panic"].map(str::to_owned);
    server.assert_failed(&[(labels, 1.0)].into());
}

struct RunningServer {
    runtime: Runtime,
    exporter: Exporter,
    channel: Channel,
}

impl RunningServer {
    fn start() -> Self {
        let exporter = exporter();
        let metrics = HttpMetricsLayer::builder(endpoint_fn(|head| Some(head.uri().path())))
            .build(&exporter.meter())
            .expect("the defaults are valid");
        let runtime = Runtime::new().expect("a runtime can be built");
        let channel = runtime.block_on(async {
            let (incoming, address) = tonic_listener();
            let (_, health) = tonic_health::server::health_reporter();
            let mut server = Server::builder().layer(metrics).layer(layer_fn(|_| EndsAsPathSays));
            tokio::spawn(server.add_service(health).serve_with_incoming(incoming));
            let endpoint = Channel::from_shared(format!("http://{address}")).expect("a URI");
            endpoint.connect().await.expect("the server listens")
        });
        Self { runtime, exporter, channel }
    }

    fn call(&self, path: &'static str) -> Result<(), Status> {
        self.runtime.block_on(self.send(path))
    }

    fn send(&self, path: &'static str) -> impl Future<Output = Result<(), Status>> + Send + use<> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        async move {
            client.ready().await.expect("it is connected");
            let codec =
                tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
            let request = tonic::Request::new(HealthCheckRequest::default());
            client.unary(request, PathAndQuery::from_static(path), codec).await.map(drop)
        }
    }

    /// Checks that exactly these requests failed, by endpoint, gRPC status and error type, and that there were no others.
    #[track_caller]
    fn assert_failed(&self, expected: &BTreeMap<[String; 3], f64>) {
        let labels = ["endpoint", "grpc_status", "error_type"];
        let failed = || exposition(&self.exporter).sum_by("http_requests_failed_total", labels);
        let all = || exposition(&self.exporter).sum("http_requests_total") >= expected.len() as f64;
        assert!(eventually(DEADLINE, all), "{:?}", failed());
        assert_eq!(&failed(), expected);
        let requests = exposition(&self.exporter).sum("http_requests_total");
        assert_eq!(requests, expected.len() as f64);
    }
}

/// The value of the label `grpc_status`.
fn name(code: Code) -> &'static str {
    match code {
        Code::Internal => "INTERNAL",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Unavailable => "UNAVAILABLE",
        Code::Unknown => "UNKNOWN",
        other => panic!("{other:?} is not expected"),
    }
}

/// A service that ends each call as the path says.
#[derive(Clone)]
struct EndsAsPathSays;

impl tower::Service<Request<Body>> for EndsAsPathSays {
    type Response = Response<Body>;
    type Error = tonic::codegen::StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut response = Response::new(Body::empty());
            match request.uri().path() {
                "/never" => return pending().await,
                "/panic" => panic!("deliberate"),
                "/error" => return Err("an error of no known type".into()),
                "/begun" => {
                    let stream = tokio_stream::pending::<Result<_, Infallible>>();
                    *response.body_mut() = Body::new(StreamBody::new(stream));
                }
                "/body-error" => {
                    let error = Err("broken half-way");
                    let body = StreamBody::new(tokio_stream::once(error));
                    let body = body.map_frame(|frame: http_body::Frame<bytes::Bytes>| frame);
                    *response.body_mut() = Body::new(body.map_err(Status::internal));
                }
                path => {
                    let status = path.strip_prefix("/http/").and_then(|status| status.parse().ok());
                    let status = status.and_then(|status: u16| StatusCode::from_u16(status).ok());
                    *response.status_mut() = status.expect("a status in the path");
                    return Ok(response);
                }
            }
            response.headers_mut().insert("content-type", "application/grpc".parse()?);
            Ok(response)
        })
    }
}
