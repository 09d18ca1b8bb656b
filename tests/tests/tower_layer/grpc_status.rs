//! gRPC calls that end without a status of the service: the label is what the client of a real tonic server concludes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use asdlc_exporter::Exporter;
use asdlc_tests::wait::{DEADLINE, eventually};
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use tokio::runtime::Runtime;
use tonic::body::Body;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::layer::layer_fn;
use tower_asdlc_metrics::{HttpMetricsLayer, endpoint_fn};

use super::{exporter, exposition};

// F-06
#[test]
fn without_a_status_a_call_has_the_one_that_its_client_reads_from_the_response() {
    let server = Running::start();
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
        assert_eq!(server.call(path).expect_err(path).code(), code, "the client, of {path}");
        expected.insert([path, name(code), error].map(str::to_owned), 1.0);
    }
    server.assert_failed(&expected);
}

// F-06
#[test]
fn a_call_that_its_client_cancels_is_cancelled_before_the_head_and_after_it() {
    let server = Running::start();
    for path in ["/never", "/begun"] {
        let in_flight = || exposition(&server.exporter).sum("http_requests_in_flight") == 1.0;
        let call = server.runtime.spawn(server.send(path));
        assert!(eventually(DEADLINE, in_flight), "{path}");
        call.abort();
        let none = || exposition(&server.exporter).sum("http_requests_in_flight") == 0.0;
        assert!(eventually(DEADLINE, none), "{path}");
    }
    let cancelled = [["/never", "CANCELLED", "cancelled"], ["/begun", "CANCELLED", "aborted"]];
    server.assert_failed(&cancelled.map(|labels| (labels.map(str::to_owned), 1.0)).into());
}

// F-06, a neighbour: a server that does something other than to answer with a status.
#[test]
fn a_call_whose_service_panics_is_not_taken_for_one_that_its_client_cancelled() {
    let server = Running::start();
    let code = server.call("/panic").expect_err("it panics").code();
    assert_eq!(code, Code::Cancelled, "tonic leaves nothing but a reset stream");
    let labels = ["/panic", "UNKNOWN", "panic"].map(str::to_owned);
    server.assert_failed(&[(labels, 1.0)].into());
}

struct Running {
    runtime: Runtime,
    exporter: Exporter,
    channel: Channel,
}

impl Running {
    fn start() -> Self {
        let exporter = exporter();
        let metrics = HttpMetricsLayer::builder(endpoint_fn(|head| Some(head.uri().path())))
            .build(&exporter.meter())
            .expect("the defaults are valid");
        let runtime = Runtime::new().expect("a runtime can be built");
        let channel = runtime.block_on(async {
            let incoming = TcpIncoming::bind(SocketAddr::from(([127, 0, 0, 1], 0)));
            let incoming = incoming.expect("loopback has a free port");
            let address = incoming.local_addr().expect("a listener has an address");
            let (_, health) = tonic_health::server::health_reporter();
            let mut server = Server::builder().layer(metrics).layer(layer_fn(|_| Ends));
            tokio::spawn(server.add_service(health).serve_with_incoming(incoming));
            let endpoint = Channel::from_shared(format!("http://{address}")).expect("a URI");
            endpoint.connect().await.expect("it listens")
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

    /// Exactly these requests failed, by endpoint, gRPC status and error type, and there was none beside them.
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

/// As the label has it.
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

/// A service that ends its calls as their paths say.
#[derive(Clone)]
struct Ends;

type Answer = Result<Response<Body>, tonic::codegen::StdError>;

impl tower::Service<Request<Body>> for Ends {
    type Response = Response<Body>;
    type Error = tonic::codegen::StdError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut response = Response::new(Body::empty());
            match request.uri().path() {
                "/never" => return pending().await,
                "/panic" => panic!("told to"),
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
