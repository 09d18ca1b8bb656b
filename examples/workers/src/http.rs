//! The HTTP server on hyper: a function from request to response, and a loop that accepts connections.

use crate::pool::Pool;
use asdlc_exporter::ScrapeService;
use asdlc_exporter::health::LivenessService;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::error::Error;
use std::io;
use support::{Stop, Work};
use tokio::net::TcpListener;
use tokio::sync::mpsc::Sender;
use tower::{Layer, ServiceExt, service_fn};
use tower_asdlc_metrics::{HttpMetricsLayer, endpoint_fn};

/// The data for responses.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) pool: Pool,
    pub(crate) health: LivenessService,
    /// The queue for `POST /events`, without Redis.
    pub(crate) queue: Option<Sender<Work>>,
}

type Body = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

impl Api {
    async fn respond(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        Ok(match (request.uri().path(), request.method()) {
            ("/health", _) => boxed(self.health.oneshot(request).await?),
            ("/stats", &Method::GET | &Method::HEAD) => {
                json_response(StatusCode::OK, &self.pool.stats())
            }
            ("/events", &Method::POST) => self.post_event(request).await,
            ("/stats", _) => not_allowed("GET, HEAD"),
            ("/events", _) => not_allowed("POST"),
            _ => failure(
                StatusCode::NOT_FOUND,
                "the paths are /metrics, /health, /stats and /events",
            ),
        })
    }

    async fn post_event(&self, request: Request<Incoming>) -> Response<Body> {
        let Some(queue) = &self.queue else {
            return failure(StatusCode::CONFLICT, "events are read from the Redis stream");
        };
        let Ok(body) = Limited::new(request.into_body(), LARGEST_EVENT).collect().await else {
            return failure(StatusCode::BAD_REQUEST, "the body is too large or broken");
        };
        let work =
            serde_json::from_slice::<Work>(&body.to_bytes()).map_err(|error| error.to_string());
        match work.and_then(|work| work.check().map(|()| work)) {
            Err(error) => failure(StatusCode::BAD_REQUEST, &error),
            Ok(work) => match queue.try_send(work) {
                Ok(()) => json_response(StatusCode::ACCEPTED, &json!({ "status": "accepted" })),
                Err(_) => failure(StatusCode::SERVICE_UNAVAILABLE, "too many events are waiting"),
            },
        }
    }
}

/// Serves until the program stops, and then finishes the requests in progress.
pub(crate) async fn serve(
    listener: TcpListener,
    api: Api,
    metrics: HttpMetricsLayer,
    scrapes: ScrapeService,
    stop: Stop,
) -> io::Result<()> {
    let counted = metrics.layer(service_fn(move |request| api.clone().respond(request)));
    let service = service_fn(move |request: Request<Incoming>| {
        let (counted, scrapes) = (counted.clone(), scrapes.clone());
        async move {
            // Outside of the layer, so that scrapes are not counted.
            match request.uri().path() {
                "/metrics" => scrapes.oneshot(request).await.map(boxed),
                _ => counted.oneshot(request).await.map(boxed),
            }
        }
    });
    let connections = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop.requested());
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Most likely too many files are open. Wait until some are closed.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // hyper includes the idle time between two requests. Scrapers keep their connections open between scrapes.
            .header_read_timeout(std::time::Duration::from_secs(90))
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone()));
        tokio::spawn(connections.watch(connection));
    }
    connections.shutdown().await;
    Ok(())
}

/// hyper has no routes, so a function names the endpoints.
pub(crate) fn metrics_layer(
    exporter: &asdlc_exporter::Exporter,
) -> Result<HttpMetricsLayer, tower_asdlc_metrics::BuildError> {
    HttpMetricsLayer::builder(endpoint_fn(|head| match head.uri().path() {
        "/health" => Some("/health"),
        "/stats" => Some("/stats"),
        "/events" => Some("/events"),
        _ => None,
    }))
    .build(exporter)
}

fn boxed<B>(response: Response<B>) -> Response<Body>
where
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

fn json_response(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = boxed(Response::new(Full::from(value.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn failure(status: StatusCode, error: &str) -> Response<Body> {
    json_response(status, &json!({ "error": error }))
}

fn not_allowed(methods: &'static str) -> Response<Body> {
    let mut response = failure(StatusCode::METHOD_NOT_ALLOWED, methods);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

const LARGEST_EVENT: usize = 64 * 1024;
