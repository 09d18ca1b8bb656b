//! A server of each kind whose requests are traced and measured, and a client for both versions of HTTP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use asdlc_exporter::Exporter;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use opentelemetry::TraceId;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _};
use tower_asdlc_metrics::{GrpcMethods, HttpMetricsLayer, endpoint_fn};

use crate::traced::{Tracing, traceparent};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Axum,
    Hyper,
    Tonic,
}

/// How a request ends. A slow one takes [`SLOW`] longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Complete,
    Failed,
    Panicked,
    Aborted,
    Cancelled,
}

impl Ending {
    pub(crate) const ALL: [Self; 5] =
        [Self::Complete, Self::Failed, Self::Panicked, Self::Aborted, Self::Cancelled];

    /// Its endpoint.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Complete => "/complete",
            Self::Failed => "/failed",
            Self::Panicked => "/panicked",
            Self::Aborted => "/aborted",
            Self::Cancelled => "/cancelled",
        }
    }
}

impl Kind {
    /// The endings that its requests can have here.
    pub(crate) fn endings(self) -> &'static [Ending] {
        match self {
            Self::Axum | Self::Hyper => &Ending::ALL,
            Self::Tonic => &[Ending::Complete, Ending::Cancelled],
        }
    }

    pub(crate) fn endpoint(self, ending: Ending) -> &'static str {
        if self == Self::Tonic { CHECK } else { ending.path() }
    }

    /// Serves until the runtime is dropped.
    pub(crate) async fn serve(self, exporter: &Exporter, tracing: &Tracing) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let tracing = tracing.clone();
        match self {
            Self::Axum => {
                let router = Ending::ALL.into_iter().fold(Router::new(), |router, ending| {
                    router.route(ending.path(), get(respond))
                });
                let router = router.layer(HttpMetricsLayer::new(exporter)).layer(tracing);
                tokio::spawn(async { axum::serve(listener, router).await });
            }
            Self::Hyper => {
                let endpoints = endpoint_fn(|head| {
                    Ending::ALL
                        .map(Ending::path)
                        .into_iter()
                        .find(|path| *path == head.uri().path())
                });
                let metrics = HttpMetricsLayer::builder(endpoints).build(exporter);
                let metrics = metrics.expect("the settings are valid");
                let handler =
                    tower::service_fn(async |request| Ok::<_, Infallible>(respond(request).await));
                let service = tracing.layer(metrics.layer(handler));
                let service =
                    service.map_request(|request: Request<_>| request.map(axum::body::Body::new));
                let service = TowerToHyperService::new(service);
                tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        let service = service.clone();
                        tokio::spawn(async {
                            let server = auto::Builder::new(TokioExecutor::new());
                            // A client that disconnects early is an error.
                            let _ = server.serve_connection(TokioIo::new(stream), service).await;
                        });
                    }
                });
            }
            Self::Tonic => {
                let metrics = HttpMetricsLayer::builder(GrpcMethods::new([CHECK])).build(exporter);
                let metrics = metrics.expect("the settings are valid");
                let layers = ServiceBuilder::new()
                    .layer(tracing)
                    .layer(metrics)
                    .layer(tower::layer::layer_fn(Slowed));
                let (_, health) = tonic_health::server::health_reporter();
                let server = tonic::transport::Server::builder().layer(layers).add_service(health);
                tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
            }
        }
        address
    }
}

/// A service whose slow requests are slow.
#[derive(Clone)]
struct Slowed<S>(S);

impl<S, B> Service<Request<B>> for Slowed<S>
where
    S: Service<Request<B>, Future: Send> + Clone + Send + 'static,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let next = self.0.clone();
        let mut ready = std::mem::replace(&mut self.0, next);
        Box::pin(async move {
            let slow = request.headers().get(IS_SLOW).cloned();
            if slow.is_some() {
                tokio::time::sleep(SLOW).await;
            }
            if slow.is_some_and(|ending| ending == Ending::Cancelled.path()) {
                // Its client does not wait so long.
                std::future::pending::<()>().await;
            }
            ready.call(request).await
        })
    }
}

async fn respond(request: axum::extract::Request) -> Response {
    if request.headers().contains_key(IS_SLOW) {
        tokio::time::sleep(SLOW).await;
    }
    match request.uri().path() {
        "/failed" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "/panicked" => panic!("on purpose"),
        "/aborted" => {
            // One frame, and then an error.
            let frames = [Ok(http_body::Frame::data(Bytes::from("begun"))), Err("on purpose")];
            Response::new(axum::body::Body::new(StreamBody::new(tokio_stream::iter(frames))))
        }
        // Its client does not wait so long.
        "/cancelled" => std::future::pending().await,
        _ => "complete".into_response(),
    }
}

/// A client of one server. It speaks one version of HTTP.
pub(crate) struct Requests {
    client: Client<HttpConnector, Full<Bytes>>,
    kind: Kind,
    address: SocketAddr,
}

impl Requests {
    pub(crate) fn new(kind: Kind, address: SocketAddr, is_http2: bool) -> Self {
        let client = Client::builder(TokioExecutor::new()).http2_only(is_http2).build_http();
        Self { client, kind, address }
    }

    /// Sends a fast request that completes. Its trace begins at the server.
    pub(crate) async fn fast(&self) {
        self.send(Ending::Complete, None).await.expect("the server responds");
    }

    /// Sends a slow request of this trace, whose ending is as expected.
    pub(crate) async fn slow(&self, ending: Ending, trace: TraceId) {
        let response = self.send(ending, Some(trace));
        if ending == Ending::Cancelled {
            let cancelled = tokio::time::timeout(2 * SLOW, response).await;
            assert!(cancelled.is_err(), "the server does not respond");
            return;
        }
        let result = response.await;
        let is_expected = match ending {
            Ending::Complete => result == Ok(StatusCode::OK),
            Ending::Failed => result == Ok(StatusCode::INTERNAL_SERVER_ERROR),
            Ending::Panicked | Ending::Aborted => result.is_err(),
            Ending::Cancelled => false,
        };
        assert!(is_expected, "{ending:?}: {result:?}");
    }

    async fn send(&self, ending: Ending, slow: Option<TraceId>) -> Result<StatusCode, String> {
        let Self { client, kind, address } = self;
        let mut request = Request::get(format!("http://{address}{}", kind.endpoint(ending)));
        if let Some(trace) = slow {
            request = request.header("traceparent", traceparent(trace));
            request = request.header(IS_SLOW, ending.path());
        }
        let mut body = Bytes::new();
        if *kind == Kind::Tonic {
            request = request.method("POST").header("content-type", "application/grpc");
            request = request.header("te", "trailers");
            // An empty message: the health of the server.
            body = Bytes::from_static(&[0; 5]);
        }
        let request = request.body(Full::new(body)).expect("a request");
        let response = client.request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = response.into_body().collect().await;
        body.map(|_| status).map_err(|error| error.to_string())
    }
}

/// How long a slow request takes at least.
pub(crate) const SLOW: Duration = Duration::from_millis(300);
const IS_SLOW: &str = "x-slow";
const CHECK: &str = "/grpc.health.v1.Health/Check";

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
