//! Count and latency of every request of a hyper, axum or tonic server, into an OpenTelemetry [`Meter`].
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_asdlc_metrics::HttpMetricsLayer;
//! # fn app(meter: &opentelemetry::metrics::Meter) -> Router {
//!
//! let app = Router::new()
//!     .route("/items/{id}", get(|| async { "an item" }))
//!     .layer(HttpMetricsLayer::new(meter));
//! # app }
//! ```
//!
//! # What is recorded
//!
//! | metric | type | labels |
//! |---|---|---|
//! | `http_requests_total` | counter | `method`, `endpoint`, `status` |
//! | `http_request_duration_seconds` | histogram, seconds | `method`, `endpoint` |
//!
//! Both are recorded once for each request, at its end, which is the first of:
//!
//! - the last frame of the response's body was handed to the server: it said that it has ended, yielded trailers or
//!   `None`, or its declared length is reached. At once, when the response has no body (`HEAD`, 204, 304, an empty body);
//! - the body yielded an error, or was dropped before its end (the client left): `status` is the one that was sent;
//! - the service's future was dropped before it answered (the client left, or an outer timeout fired): `status="499"`;
//! - the service returned an error or panicked before it answered: `status="500"`;
//! - the connection was upgraded (101, or 2xx to `CONNECT`): the handshake was timed, the tunnel is not.
//!
//! The clock starts when the layer is called with the request.
//!
//! - `method` is one of the nine standard ones, else `_OTHER`.
//! - `endpoint` is the route template, from an [`Endpoint`]; [`UNMATCHED`] where there is none. Never the raw path.
//! - No family grows beyond 1 000 series; what comes then is counted under `endpoint="_OVERFLOW"`.
//!
//! # Cost
//!
//! A warm request allocates nothing, takes no lock of this crate, and hashes no attribute: its series are found by one
//! look-up each in tables that are only ever appended to, and recorded through the SDK's bound instruments.
//!
//! # Features
//!
//! - `bound` (default): record through bound instruments (`opentelemetry_sdk`'s `experimental_metrics_bound_instruments`).
//!   Without it the same series are recorded attribute by attribute, slower, with any `MeterProvider`.
//! - `axum`: [`MatchedRoute`] reads axum's `MatchedPath`.
//!
//! [`Meter`]: opentelemetry::metrics::Meter

mod body;
mod builder;
mod chain;
mod endpoint;
mod error;
mod exchange;
mod future;
mod in_flight;
mod instruments;
mod labels;
mod layer;
mod outcome;
mod recorder;
mod request_body;
mod room;
mod series;
mod service;

#[cfg(feature = "bound")]
mod bound;
#[cfg(not(feature = "bound"))]
mod unbound;

pub use body::ResponseBody;
pub use builder::HttpMetricsLayerBuilder;
pub use endpoint::{
    Endpoint, EndpointFn, Fixed, GrpcMethods, MatchedRoute, RequestHead, ResponseEndpoint,
    endpoint_fn,
};
pub use error::BuildError;
pub use future::ResponseFuture;
pub use labels::{OTHER, OVERFLOW, UNMATCHED};
pub use layer::HttpMetricsLayer;
pub use request_body::{RequestBody, RequestBodyLayer, RequestBodyService};
pub use service::HttpMetrics;
