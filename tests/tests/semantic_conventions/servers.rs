//! An axum server and a tonic server on loopback, with the layer.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use asdlc_tests::in_process::Server as HttpServer;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{any, get, post};
use http::StatusCode;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tower::ServiceBuilder;
use tower_asdlc_metrics::{Endpoint, GrpcMethods, HttpMetricsLayer, MatchedRoute};

use super::Setup;

pub(crate) struct Servers {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    /// A permit for each request that has arrived at `/held`.
    pub(crate) held: Arc<Semaphore>,
    /// The further frames of the only response of `/broken`.
    pub(crate) broken: mpsc::Sender<io::Result<&'static str>>,
    _http: HttpServer,
    _grpc: Runtime,
}

impl Servers {
    pub(crate) fn start(provider: &SdkMeterProvider, setup: Setup) -> Self {
        let runtime = Runtime::new().expect("a runtime can be built");
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let incoming = runtime.block_on(async { TcpIncoming::bind(any_port) });
        let incoming = incoming.expect("loopback has a free port");
        let grpc = incoming.local_addr().expect("a listener has an address");
        // The layer of the HTTP server needs the address of its server before there is one.
        let listener = std::net::TcpListener::bind(any_port).expect("loopback has a free port");
        let http = listener.local_addr().expect("a listener has an address");

        let held = Arc::new(Semaphore::new(0));
        let (broken, frames) = mpsc::channel(1);
        let metrics = layer(provider, setup, [http, grpc]);
        let router =
            router(&held, frames).layer(metrics.request_body_layer()).layer(metrics.clone());
        let server = HttpServer::axum_on(listener, router);

        let layers =
            ServiceBuilder::new().layer(metrics.clone()).layer(metrics.request_body_layer());
        runtime.spawn(async move {
            let (health, service) = tonic_health::server::health_reporter();
            health.set_service_status("known", ServingStatus::Serving).await;
            let reflection = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .build_v1()
                .expect("a descriptor");
            let server = Server::builder().layer(layers).add_service(service);
            server.add_service(reflection).serve_with_incoming(incoming).await
        });
        Self { http, grpc, held, broken, _http: server, _grpc: runtime }
    }
}

fn layer(provider: &SdkMeterProvider, setup: Setup, hosts: [SocketAddr; 2]) -> HttpMetricsLayer {
    let endpoint = GrpcMethods::new([CHECK, WATCH, INFO]).or(MatchedRoute);
    let mut builder = HttpMetricsLayer::builder(endpoint).with_conventions(setup.conventions);
    if setup.has_opt_in {
        builder = builder.with_active_requests().with_body_sizes();
        builder = builder.with_hosts(hosts.map(|host| host.to_string()));
    }
    builder.build(provider).expect("the settings are valid")
}

fn router(held: &Arc<Semaphore>, broken: mpsc::Receiver<io::Result<&'static str>>) -> Router {
    let broken = Arc::new(Mutex::new(Some(ReceiverStream::new(broken))));
    let broken =
        async move || body(broken.lock().expect("no holder panics").take().expect("one request"));
    let held = Arc::clone(held);
    let hold = async move || {
        held.add_permits(1);
        pending::<()>().await;
    };
    Router::new()
        .route(ITEM, any(async || "an item"))
        .route("/upload", post(async |body: Bytes| body.len().to_string()))
        .route("/unavailable", get(async || StatusCode::SERVICE_UNAVAILABLE))
        .route("/panic", get(async || panic!("on purpose") as Infallible))
        .route("/held", get(hold))
        .route("/stream", get(async || body(tokio_stream::pending())))
        .route("/broken", get(broken))
}

/// A body whose first frame is followed by these.
fn body<S>(rest: S) -> Body
where
    S: tokio_stream::Stream<Item = io::Result<&'static str>> + Send + 'static,
{
    Body::from_stream(tokio_stream::once(Ok("first")).chain(rest))
}

pub(crate) const ITEM: &str = "/items/{id}";
pub(crate) const CHECK: &str = "/grpc.health.v1.Health/Check";
pub(crate) const WATCH: &str = "/grpc.health.v1.Health/Watch";
pub(crate) const INFO: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
