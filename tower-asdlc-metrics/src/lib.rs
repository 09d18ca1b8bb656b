//! Count, latency and failures of every request of a hyper, axum or tonic server, into an OpenTelemetry [`Meter`].
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn app(meter: &opentelemetry::metrics::Meter) -> axum::Router {
//! use axum::{Router, routing::get};
//! use tower_asdlc_metrics::HttpMetricsLayer;
//!
//! let app = Router::new()
//!     .route("/items/{id}", get(|| async { "an item" }))
//!     .layer(HttpMetricsLayer::new(meter));
//! # app }
//! ```
//!
//! [Bare hyper and tonic](HttpMetricsLayer#with-hyper) are as short.
//!
//! # What is recorded
//!
//! | metric | type | labels |
//! |---|---|---|
//! | `http_requests_total` | counter | `method`, `endpoint`, `status` |
//! | `http_requests_failed_total` | counter | `method`, `endpoint`, `status`, `error_type` |
//! | `http_request_duration_seconds` | histogram, seconds | `method`, `endpoint` |
//! | `http_requests_in_flight` | gauge | `method` |
//! | `http_response_headers_duration_seconds` ([on request](HttpMetricsLayerBuilder::with_time_to_headers)) | histogram, seconds | `method`, `endpoint` |
//! | `http_response_body_size_bytes` ([on request](HttpMetricsLayerBuilder::with_body_sizes)) | histogram, bytes | `method`, `endpoint` |
//! | `http_request_body_size_bytes` (with a [layer of its own](RequestBodyLayer)) | histogram, bytes | `method`, `endpoint` |
//! | `http_upgraded_connections_in_flight` ([on request](HttpMetricsLayerBuilder::with_upgrades)) | gauge | `method`, `endpoint` |
//! | `http_upgraded_connection_duration_seconds` (on the same) | histogram, seconds | `method`, `endpoint` |
//!
//! The counters carry `grpc_status` too, for gRPC calls (`POST` with `application/grpc…`) and for nothing else.
//!
//! # When
//!
//! The clock starts when the layer is called with the request, which is in flight from then on, also while it waits for the
//! service inside to be ready. It ends once, with the first
//! of these, and that is the moment at which everything is recorded but the time to the head, which is recorded with the head:
//!
//! | the request ends when | `status` | `error_type` |
//! |---|---|---|
//! | the last frame of the response's body is handed to the server: the body says that it has ended, yields trailers or `None`, or over HTTP/1 has its declared length | as sent | by the status: `timeout` (408, 504), `client_error` (other 4xx), `server_error` (other 5xx), or none |
//! | the response's head is there, if no body follows: an empty one, `HEAD`, 204, 304 | as sent | as above |
//! | the connection is upgraded (101, or 2xx to `CONNECT`): the handshake is timed, the connection [by itself](UpgradeGuard) on request | as sent | |
//! | the body is dropped before its end: the client left, or the server gave up | as sent | `aborted` |
//! | the body yields an error | as sent | `body_error` |
//! | the body ends with fewer bytes than its `Content-Length` or its exact size says, or has more | as sent | `content_length_mismatch` |
//! | the service's future is dropped before it has answered: the client left, or an outer timeout fired | `499` | `cancelled` |
//! | the service returns an error, or is not ready and says that it never will be | `500` | `service_error` |
//! | the service, its future or its body panics | `500`, or as sent | `panic` |
//!
//! Each collection from then on has it. In between, the SDK is told of several requests of a thread at once, so that threads
//! rarely wait for each other; and so not in the `Context` of each.
//!
//! "Handed to the server" is as far as a service can see: what the client's kernel then does with it, nobody here knows.
//!
//! An HTTP/1 server writes no more than the declared length. With it written, the response is complete, and nobody knows whether
//! the body has more. `HEAD`, 204 and 304 may declare the length of a body that is not sent. A response whose `Content-Length`
//! contradicts the exact size of its body is a `content_length_mismatch`, also where the server corrects the header.
//!
//! Of an endpoint that is [a stream](HttpMetricsLayerBuilder::with_streaming_endpoints), the end by the client is no failure.
//!
//! # gRPC
//!
//! A gRPC call whose `grpc_status` is not `OK` has failed too, whatever its HTTP status: `timeout` for `DEADLINE_EXCEEDED`,
//! `cancelled` for `CANCELLED`, `server_error` for `UNKNOWN`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`,
//! `client_error` for the rest.
//!
//! The status is that of the trailers, or of the headers of a response without a body. gRPC-Web (`application/grpc-web`, `+proto`,
//! `-text`) has it in the last frame of the body, which is read as it passes: the layer may be outside of `tonic_web` or inside.
//!
//! A call that ends without a status has the one that its client concludes:
//!
//! | | `grpc_status` |
//! |---|---|
//! | HTTP 400, 401, 403, 404 | `INTERNAL`, `UNAUTHENTICATED`, `PERMISSION_DENIED`, `UNIMPLEMENTED` |
//! | HTTP 429, 502, 503, 504 | `UNAVAILABLE` |
//! | any other HTTP status but 200 | `UNKNOWN` |
//! | the client left before the head or after it (`cancelled`, `aborted`) | `CANCELLED` |
//! | the service or the body returned an error, for which a server resets the stream | `INTERNAL` |
//! | the service panicked | `UNKNOWN` |
//! | the body ended without trailers | `UNKNOWN` |
//! | the body of a gRPC-Web response ended without a trailer frame that can be read (compressed, cut off) | no label, and by itself no failure |
//!
//! Outside of a service that answers with an error of its own, tonic makes a status of that error where it can. The layer is
//! inside of that: such a call is a `service_error`, `INTERNAL`.
//!
//! # Labels
//!
//! Each comes from a closed set, so that no client can add a series:
//!
//! - `method` is one of the nine standard ones or of [those you add](HttpMetricsLayerBuilder::with_methods), else `_OTHER`.
//! - `endpoint` is the route template, from an [`Endpoint`]; [`UNMATCHED`] where there is none. Never the raw path. A response can
//!   [name another](ResponseEndpoint). When a hundred requests have succeeded and none had a template, the log says so once.
//! - No family grows beyond [a number of series](HttpMetricsLayerBuilder::with_max_series); what comes then is counted all the
//!   same, under `endpoint="_OVERFLOW"`.
//!
//! # Where to put it
//!
//! The layer sees what passes through it:
//!
//! - *Outside* of layers that answer by themselves (timeouts, authentication, limits) it counts their 408, 401 and 429.
//!   *Inside* it never sees those they turn away, and a request that an outer timeout gives up is `cancelled` with 499.
//! - *Outside* of a limit (`ConcurrencyLimitLayer`, `GlobalConcurrencyLimitLayer`, `BufferLayer`) it sees its queue: a request that
//!   waits for a permit is in flight, its wait is in the latency, and a client that gives up meanwhile is a 499. *Inside* of it no
//!   metric has the queue. tonic's own `concurrency_limit_per_connection` is always outside. (`RateLimitLayer` is not `Clone`: put a
//!   `BufferLayer` around it.)
//! - Load shedding (`LoadShedLayer`) *inside* of it works as without it, and what is shed is counted. *Outside* it needs
//!   [`with_backpressure`](HttpMetricsLayerBuilder::with_backpressure): otherwise the layer is always ready, and nothing is shed.
//!   A load balancer that uses the readiness of several services needs it too.
//! - *Outside* of a layer that catches panics it counts the 500 that is sent; inside, the panic.
//! - On an axum `Router`, [`Router::layer`](https://docs.rs/axum/0.8/axum/struct.Router.html#method.layer) reaches the routes
//!   added *before* it: add `/metrics` after it, and scrapes are not counted.
//! - Around an axum `Router` (`HttpMetricsLayer::layer(router)`) nothing has been matched yet, and every request is
//!   [`UNMATCHED`].
//! - Applied twice to one service it counts each request twice.
//!
//! To switch it by configuration, see [`HttpMetricsLayer::disabled`].
//!
//! # Cost
//!
//! A warm request allocates nothing, waits for no lock of this crate and hashes no attribute. Two kinds of requests do allocate:
//! those for a service nested in an axum router (see [`MatchedRoute`]) and gRPC-Web calls.
//!
//! The route of a request is found by one look-up in a table that is only appended to. The number of requests in flight is the
//! number of references that requests hold anyway. Measurements are buffered per thread and flushed to the SDK's bound instruments in
//! batches of up to 16; those of the optional metrics are not buffered. `benches/ladder` measures all this beside the least code
//! that one can write by hand.
//!
//! # Features
//!
//! - `bound` (default): record through bound instruments (`opentelemetry_sdk`'s `experimental_metrics_bound_instruments`).
//!   Without it the same is recorded attribute by attribute, slower. Turn it off for a `MeterProvider` that is not the SDK's:
//!   the API lets those drop what is recorded through a bound instrument, without a word.
//! - `axum`: [`HttpMetricsLayer::new`] and [`MatchedRoute`], for axum 0.8; [`UpgradeGuard`] can be an argument of a handler; and
//!   [`RequestHead::uri`] is what the client asked for inside of a `nest` too.
//!
//! # Another version of axum
//!
//! `MatchedPath` is a different type in each version of axum. [`MatchedRoute`] cannot read that of axum 0.7, or of axum 0.8
//! from another source. This endpoint reads the `MatchedPath` of your application's axum:
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::extract::MatchedPath;
//! use tower_asdlc_metrics::{HttpMetricsLayer, endpoint_fn};
//!
//! let route = endpoint_fn(|head| head.extensions.get::<MatchedPath>().map(MatchedPath::as_str));
//! let builder = HttpMetricsLayer::builder(route);
//! # }
//! ```
//!
//! [`Meter`]: opentelemetry::metrics::Meter

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
mod labels;
mod layer;
mod record;
mod service;

pub use error::BuildError;
pub use labels::endpoint::{
    Endpoint, EndpointFn, Fixed, Or, RequestHead, ResponseEndpoint, endpoint_fn,
};
pub use labels::grpc_methods::GrpcMethods;
#[cfg(feature = "axum")]
pub use labels::matched_route::MatchedRoute;
pub use labels::methods::{OTHER, OVERFLOW, UNMATCHED};
pub use layer::builder::HttpMetricsLayerBuilder;
pub use layer::layer::HttpMetricsLayer;
pub use service::future::ResponseFuture;
pub use service::request_body::{RequestBody, RequestBodyLayer, RequestBodyService};
pub use service::response_body::ResponseBody;
pub use service::service::HttpMetrics;
pub use service::upgrade::UpgradeGuard;

/// Without the feature `axum` there is no endpoint that needs it, and no layer whose default it is:
///
/// ```compile_fail,E0432
/// use tower_asdlc_metrics::MatchedRoute;
/// ```
///
/// ```compile_fail,E0599
/// # let meter: opentelemetry::metrics::Meter = todo!();
/// let layer = tower_asdlc_metrics::HttpMetricsLayer::new(&meter);
/// ```
#[cfg(all(doctest, not(feature = "axum")))]
#[derive(Debug)]
pub struct WithoutAxum; // F-11
