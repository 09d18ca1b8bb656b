//! Real servers, in which the requests of a connection run at the same time: an outer layer makes each request's span current.

use crate::meter::{Exemplars, Of};
use crate::requests::{of, span};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use opentelemetry::Context;
use opentelemetry::trace::{FutureExt, SpanContext, TraceContextExt, WithContext};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::task::Poll;
use tokio::io::DuplexStream;
use tokio::task::{JoinSet, yield_now};
use tower::{Layer, Service, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, GrpcMethods, HttpMetricsLayer};

const REQUESTS: u64 = 60;

/// The layer that starts the span of each request. The span is the one that the header `x-span` names.
#[derive(Clone)]
struct Traced<S>(S);

impl<S: Service<Request<B>>, B> Service<Request<B>> for Traced<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = WithContext<S::Future>;

    fn poll_ready(&mut self, context: &mut std::task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let header = request.headers().get("x-span");
        let id = header.map(|id| id.to_str().unwrap().parse().unwrap());
        let context = Context::new()
            .with_remote_span_context(id.map_or(SpanContext::NONE, |id| span(id, is_sampled(id))));
        let _guard = context.clone().attach();
        self.0.call(request).with_context(context)
    }
}

fn is_sampled(id: u64) -> bool {
    id % 3 == 0
}

/// Responds after the other requests have run, and in several frames.
async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    for _ in 0..request.headers().len() {
        yield_now().await;
    }
    Ok(Response::new(Full::from("a body")))
}

fn request(id: u64) -> Request<Empty<Bytes>> {
    let request = Request::get("http://test/x").header("x-span", id);
    request.body(Empty::new()).unwrap()
}

/// Each instrument has measured each sampled request once, in its span, and all others in none.
fn assert_measured(exemplars: &Exemplars, instruments: &[&str]) {
    let mut counts: BTreeMap<String, BTreeMap<Of, f64>> = BTreeMap::new();
    for made in exemplars.take() {
        let is_count = made.instrument == "http_requests";
        let count = if is_count { made.value } else { 1.0 };
        *counts.entry(made.instrument).or_default().entry(made.of).or_default() += count;
    }
    let mut expected = BTreeMap::new();
    for id in 1..=REQUESTS {
        *expected.entry(if is_sampled(id) { of(id) } else { Of::None }).or_default() += 1.0;
    }
    let expected = instruments.iter().map(|name| ((*name).to_owned(), expected.clone()));
    assert_eq!(counts, expected.collect());
}

//
#[tokio::test]
async fn requests_of_one_http_2_connection_have_their_own_spans() {
    let exemplars = Exemplars::of_sampled();
    let layer = HttpMetricsLayer::builder(FixedEndpoint("/x")).build(&exemplars).unwrap();
    exemplars.collect();
    let service = TowerToHyperService::new(Traced(layer.layer(service_fn(respond))));
    let (client, server) = tokio::io::duplex(65_536);
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(server), service);
    let connection = tokio::spawn(connection);
    let (client, background) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client))
            .await
            .unwrap();
    let background = tokio::spawn(background);
    let mut calls = JoinSet::new();
    for id in 1..=REQUESTS {
        let mut client = client.clone();
        calls.spawn(async move {
            let response = client.send_request(request(id)).await.unwrap();
            response.into_body().collect().await.unwrap();
        });
    }
    calls.join_all().await;
    drop(client);
    background.await.unwrap().unwrap();
    connection.await.unwrap().unwrap();
    assert_measured(&exemplars, &["http_requests", "http_request_duration"]);
}

//
#[cfg(feature = "axum")]
#[tokio::test]
async fn requests_of_an_axum_router_have_their_own_spans() {
    use axum::{Router, routing::get};
    use tower::ServiceExt;

    let exemplars = Exemplars::of_sampled();
    let router = Router::new()
        .route(
            "/x",
            get(async || {
                yield_now().await;
                "a body"
            }),
        )
        .layer(HttpMetricsLayer::new(&exemplars))
        .layer(tower::layer::layer_fn(Traced));
    exemplars.collect();
    let mut calls = JoinSet::new();
    for id in 1..=REQUESTS {
        let router = router.clone();
        calls.spawn(async move {
            let response = router.oneshot(request(id)).await.unwrap();
            response.into_body().collect().await.unwrap();
        });
    }
    calls.join_all().await;
    assert_measured(&exemplars, &["http_requests", "http_request_duration"]);
}

//
#[tokio::test]
async fn calls_of_a_tonic_server_have_their_own_spans() {
    use tonic::transport::{Endpoint, Server};
    use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

    let exemplars = Exemplars::of_sampled();
    let methods = GrpcMethods::new(["/grpc.health.v1.Health/Check"]);
    let layer = HttpMetricsLayer::builder(methods).build(&exemplars).unwrap();
    exemplars.collect();
    let (_reporter, health) = tonic_health::server::health_reporter();
    let (client, server) = tokio::io::duplex(65_536);
    let server = Server::builder()
        .layer(tower::layer::layer_fn(Traced))
        .layer(layer)
        .add_service(health)
        .serve_with_incoming(tokio_stream::once(Ok::<DuplexStream, std::io::Error>(server)));
    let server = tokio::spawn(server);
    let mut client = Some(client);
    let channel = Endpoint::from_static("http://test").connect_with_connector_lazy(
        tower::service_fn(move |_| {
            let connection = client.take().map(TokioIo::new);
            std::future::ready(
                connection
                    .ok_or(std::io::ErrorKind::NotConnected.into())
                    .map_err(|error: std::io::Error| error),
            )
        }),
    );
    let mut calls = JoinSet::new();
    for id in 1..=REQUESTS {
        let mut client = HealthClient::new(channel.clone());
        calls.spawn(async move {
            let mut request = tonic::Request::new(HealthCheckRequest::default());
            request.metadata_mut().insert("x-span", id.to_string().parse().unwrap());
            client.check(request).await.unwrap();
        });
    }
    calls.join_all().await;
    drop(channel);
    server.await.unwrap().unwrap();
    assert_measured(&exemplars, &["http_requests", "http_request_duration"]);
}
