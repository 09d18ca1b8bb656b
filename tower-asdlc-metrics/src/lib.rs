//! Tower middleware that records the count, latency and failures of each request into an OpenTelemetry [`Meter`]: the requests
//! that a hyper, axum or tonic server receives, and the requests that a [client](#clients) sends.
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn app(provider: opentelemetry_sdk::metrics::SdkMeterProvider) -> axum::Router {
//! use axum::{Router, routing::get};
//! use tower_asdlc_metrics::HttpMetricsLayer;
//!
//! let app = Router::new()
//!     .route("/items/{id}", get(|| async { "an item" }))
//!     .layer(HttpMetricsLayer::new(&provider));
//! # app }
//! ```
//!
//! `provider` is any `MeterProvider`, such as the exporter of `asdlc-exporter`. A `Meter` [works too](MeterSource).
//!
//! See [`HttpMetricsLayer`] for [hyper and tonic](HttpMetricsLayer#with-hyper), and [`HttpClientMetricsLayer`] for clients. By
//! default, the layers record in Prometheus' convention. One setting selects [OpenTelemetry's semantic
//! conventions](#opentelemetrys-conventions).
//!
//! # What is recorded
//!
//! | metric | in Prometheus | type, unit | labels |
//! |---|---|---|---|
//! | `http_requests` | `http_requests_total` | counter | `method`, `endpoint`, `status` |
//! | `http_requests_failed` | `http_requests_failed_total` | counter | `method`, `endpoint`, `status`, `error_type` |
//! | `http_request_duration` | `http_request_duration_seconds` | histogram, `s` | `method`, `endpoint` |
//! | `http_requests_in_flight` | `http_requests_in_flight` | gauge (up-down counter) | `method` |
//! | `http_response_headers_duration` ([optional](HttpMetricsLayerBuilder::with_time_to_headers)) | `http_response_headers_duration_seconds` | histogram, `s` | `method`, `endpoint` |
//! | `http_response_body_size` ([optional](HttpMetricsLayerBuilder::with_body_sizes)) | `http_response_body_size_bytes` | histogram, `By` | `method`, `endpoint` |
//! | `http_request_body_size` (with a [separate layer](RequestBodyLayer)) | `http_request_body_size_bytes` | histogram, `By` | `method`, `endpoint` |
//! | `http_upgraded_connections_in_flight` ([optional](HttpMetricsLayerBuilder::with_upgrades)) | `http_upgraded_connections_in_flight` | gauge (up-down counter) | `method`, `endpoint` |
//! | `http_upgraded_connection_duration` (with the gauge) | `http_upgraded_connection_duration_seconds` | histogram, `s` | `method`, `endpoint` |
//!
//! The first column is the name of the OpenTelemetry instrument: views and OTLP backends see it. A Prometheus exporter appends
//! the unit and, for counters, `_total`. Outside of the tables, this documentation uses the names in Prometheus. The
//! [names](LayerBuilder::with_metric_name) of metrics and the [keys](LayerBuilder::with_label_key) of labels can be replaced.
//!
//! For gRPC calls (`POST` with `application/grpc…`), the counters also have the label `grpc_status`.
//!
//! # When
//!
//! The clock starts when the layer is called with the request. From then on the request is in flight, also while it waits for
//! the inner service to be ready.
//!
//! A request ends with the first event of this table. Its counters, duration and response size are recorded at that moment. The
//! time to the response's head is recorded with the head. For the size of the request's body and for upgraded connections, see
//! [`RequestBodyLayer`] and [`UpgradeGuard`].
//!
//! | the request ends when | `status` | `error_type` |
//! |---|---|---|
//! | the last frame of the response's body is handed to the server: the body says that it has ended, yields trailers or `None`, or over HTTP/1 has its declared length | as sent | by the status: `timeout` (408, 504), `client_error` (other 4xx), `server_error` (other 5xx), or none |
//! | the service returns a response without a body: an empty one, or one to `HEAD`, or with 204 or 304 | as sent | as above |
//! | the connection is upgraded (101, or 2xx to `CONNECT`). The duration is that of the handshake; the connection can be [recorded too](UpgradeGuard) | as sent | |
//! | the body is dropped before its end: the client left, or the server gave up | as sent | `aborted` |
//! | the body yields an error | as sent | `body_error` |
//! | the body has fewer or more bytes than its `Content-Length` or its exact size declares | as sent | `content_length_mismatch` |
//! | the service's future is dropped before it is ready: the client left, or an outer timeout fired | `499` | `cancelled` |
//! | the service returns an error, from its future or when it is polled for readiness | `500` | `service_error` |
//! | the service, its future or its body panics | `500`, or as sent | `panic` |
//!
//! Every later collection includes the request. Between collections, measurements are buffered per thread and flushed to the SDK
//! in batches of up to 16, so that threads rarely wait for each other. The request's OpenTelemetry `Context` is not current when
//! its measurements are flushed; [exemplars](#exemplars) have the right span nevertheless.
//!
//! "Handed to the server" is the last moment that a service can observe. Whether the client received the bytes is not known.
//!
//! An HTTP/1 server writes no more than the declared length. Once that many bytes are written, the response is complete, whether
//! the body has more or not. Responses to `HEAD`, 204 and 304 may declare the length of a body that is not sent. A response whose
//! `Content-Length` contradicts the exact size of its body is a `content_length_mismatch`, even where the server corrects the
//! header.
//!
//! For [streaming endpoints](HttpMetricsLayerBuilder::with_streaming_endpoints), a client that leaves is not a failure.
//!
//! # gRPC
//!
//! A gRPC call whose `grpc_status` is not `OK` has failed, whatever its HTTP status. If the table above gives an `error_type`,
//! the call has that one. Otherwise it is `timeout` for `DEADLINE_EXCEEDED`; `cancelled` for `CANCELLED`; `server_error` for
//! `UNKNOWN`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE` and `DATA_LOSS`; and `client_error` for the others.
//!
//! The status comes from the trailers, or from the headers of a response without a body. In gRPC-Web (`application/grpc-web`,
//! `+proto`, `-text`) it is in the last frame of the body, which the layer reads as it passes. The layer may be outside or inside
//! of `tonic_web`.
//!
//! A call that ends without a status gets the status that its client derives:
//!
//! | | `grpc_status` |
//! |---|---|
//! | HTTP 400, 401, 403, 404 | `INTERNAL`, `UNAUTHENTICATED`, `PERMISSION_DENIED`, `UNIMPLEMENTED` |
//! | HTTP 429, 502, 503, 504 | `UNAVAILABLE` |
//! | any other HTTP status but 200 | `UNKNOWN` |
//! | the client left before or after the head (`cancelled`, `aborted`) | `CANCELLED` |
//! | the service or the body returned an error, for which a server resets the stream | `INTERNAL` |
//! | the service panicked | `UNKNOWN` |
//! | the body ended without trailers | `UNKNOWN` |
//! | the body of a gRPC-Web response ended without a readable trailer frame (compressed, cut off) | no label; not a failure on its own |
//!
//! If a service returns an error, tonic converts it to a status where it can. It does so outside of the layer, which therefore
//! records a `service_error` with `INTERNAL`.
//!
//! # OpenTelemetry's conventions
//!
//! With [`with_conventions`](LayerBuilder::with_conventions), the layer records the metrics of OpenTelemetry's semantic
//! conventions 1.44 in place of those above, or [both](Conventions::Both):
//!
//! | metric | type, unit | attributes |
//! |---|---|---|
//! | `http.server.request.duration` | histogram, `s` | `http.request.method`, `url.scheme`, `http.route`, `http.response.status_code`, `error.type`, `network.protocol.version` |
//! | `rpc.server.call.duration` | histogram, `s` | `rpc.system.name`, `rpc.method`, `rpc.response.status_code`, `error.type` |
//! | `http.server.active_requests` ([optional](LayerBuilder::with_active_requests)) | up-down counter, `{request}` | `http.request.method`, `url.scheme` |
//! | `http.server.request.body.size`, `http.server.response.body.size` ([optional](LayerBuilder::with_body_sizes)) | histogram, `By` | those of `http.server.request.duration` |
//!
//! - A gRPC call is in `rpc.server.call.duration`. Every other request is in `http.server.request.duration`. There is no counter:
//!   the number of requests is the sum of the two counts.
//! - Requests are recorded at the same moments as above.
//! - `http.route` is absent if no route matches, and `http.response.status_code` is absent if no response was sent.
//! - `rpc.method` is the endpoint without the first `/`, if the endpoint is one gRPC method, as from [`GrpcMethods`]. Otherwise
//!   it is `_OTHER`.
//! - If the request ended badly, `error.type` is the `error_type` of the table under [When](#when): `cancelled`, `aborted`,
//!   `body_error`, `content_length_mismatch`, `service_error` or `panic`.
//! - Otherwise the status decides. For an HTTP request, `error.type` is the code of a 5xx status, such as `503`; a 4xx is no
//!   error of a server. For a gRPC call, it is the name of the status if that is an error of a server: `UNKNOWN`,
//!   `DEADLINE_EXCEEDED`, `UNIMPLEMENTED`, `INTERNAL`, `UNAVAILABLE` or `DATA_LOSS`.
//! - `url.scheme` is that of the request's URI, or what [your function](LayerBuilder::with_url_scheme) returns.
//! - Beyond the series limit there is no `http.route`, and `rpc.method` is `_OTHER`. These series have `otel.metric.overflow` =
//!   `true`.
//!
//! Metrics that the conventions do not have, such as the time to the response's head, keep their names and have the attributes of
//! the conventions. With [`Conventions::Both`], they have the labels of Prometheus' convention.
//!
//! # Clients
//!
//! [`HttpClientMetricsLayer`] records the requests that a client sends:
//!
//! | metric | in OpenTelemetry's conventions | labels |
//! |---|---|---|
//! | `http_client_requests` | | `method`, `host`, `status` |
//! | `http_client_requests_failed` | | `method`, `host`, `status`, `error_type` |
//! | `http_client_request_duration` | `http.client.request.duration`, or `rpc.client.call.duration` of a gRPC call | `method`, `host` |
//! | `http_client_requests_in_flight` | `http.client.active_requests` (optional) | `method`, `host` |
//!
//! The types, the units and the names in Prometheus follow the same rules as those of a server. The optional metrics of a client
//! are `http_client_response_headers_duration`, `http_client_response_body_size` and `http_client_request_body_size`.
//!
//! `host` is the host of the URL, and its port if that is not the default port of the scheme. In OpenTelemetry's conventions it
//! is `server.address` and `server.port`. The hosts [that you list](LayerBuilder::with_hosts) have a value of their own. Without
//! a list, the first 50 that requests are sent to have one. All other hosts are `_OTHER`. The `host` of requests that name none
//! is `_OTHER` too, unless you set a [default host](LayerBuilder::with_default_host). There is a label `endpoint` only [if you
//! set one](LayerBuilder::with_endpoint).
//!
//! A request ends with the first event of this table:
//!
//! | the request ends when | `status` | `error_type` |
//! |---|---|---|
//! | the last frame of the response's body is handed to the caller, or the response has no body | as received | by the status, as on a server. In OpenTelemetry's conventions a 4xx is an error of a client: `error.type` is its code, such as `404` |
//! | the connection is upgraded (101, or 2xx to `CONNECT`) | as received | |
//! | the body is dropped before it was polled | as received | by the status. For a gRPC call, whose status is in the trailers: `aborted` |
//! | the body is dropped after it was polled, and before its end | as received | `aborted` |
//! | the body has fewer or more bytes than declared, and returns no error | as received | `content_length_mismatch` |
//! | the response future is dropped: an outer timeout, or the caller has given up | `_NONE` | `cancelled` |
//! | the service or the body returns an error | `_NONE`, or as received | `connect_error`, `timeout` or `reset` if the layer [knows the error](LayerBuilder::with_error_type); otherwise `service_error` or `body_error` |
//! | the service, its future or the body panics | `_NONE`, or as received | `panic` |
//!
//! A gRPC call that ends without a status gets one as [above](#grpc). It is `UNAVAILABLE` for `connect_error` and `reset`, and
//! `DEADLINE_EXCEEDED` for `timeout`. The status that a gRPC library returns to its caller can be another one: tonic returns
//! `UNKNOWN` for a lost connection, and `CANCELLED` for its own timeout.
//!
//! The clock starts when the layer is called. The layer is ready when the inner service is ready. This wait is not recorded, and
//! neither is an error of `poll_ready`, because there is no request yet.
//!
//! *Inside* of a layer that retries or follows redirects, the layer counts each request that is sent. *Outside* of it, it counts
//! each call, with its last response. *Outside* of a timeout layer, a timeout is a `timeout`, if the layer knows its error.
//! *Inside* of it, the same request is `cancelled`.
//!
//! # Labels
//!
//! The values of each label come from a closed set, so that no client can add a series:
//!
//! - `method` is one of the nine standard methods, one of [those you add](HttpMetricsLayerBuilder::with_methods), or `_OTHER`.
//! - `endpoint` is the route template, from an [`Endpoint`], or [`UNMATCHED`] if no route matches. It is never the raw path. A
//!   response can [replace it](ResponseEndpoint). If 100 requests have succeeded and none matched a route, the layer logs a
//!   warning once.
//! - `host` is a label of clients, and of a server that lists its hosts (`with_hosts`).
//! - Each family has a [series limit](HttpMetricsLayerBuilder::with_max_series). Requests with further label sets are counted
//!   under the overflow value, `endpoint="_OVERFLOW"`. Their `host` and your own labels from the request are `_OTHER`. These
//!   series also have the attribute `otel.metric.overflow` = `true`, which the SDK sets on overflow series of its own. On a
//!   client without endpoints, only this attribute marks them.
//! - A label of your own has its values from a list: from the [request](LayerBuilder::with_label) or from the
//!   [response](LayerBuilder::with_response_label).
//!
//! # Exemplars
//!
//! An exemplar is one measurement, stored with the trace id and the span id of its request. A histogram bucket keeps an exemplar of
//! a request whose latency is in this bucket. The meter decides whether exemplars are recorded: `asdlc-exporter` records them if it
//! is built `with_exemplars`. This layer has no setting for it. All its counters and histograms then have exemplars. With any other
//! meter, the layer reads no span.
//!
//! The exemplar of a request names the trace of this request. The layer records the request later, outside of all spans, so it
//! copies the ids of the span when the request arrives. Put the layer *inside* of the layer that starts the span of the request:
//!
//! ```
//! # #[cfg(feature = "axum")]
//! # fn app(meter: &opentelemetry::metrics::Meter) -> axum::Router {
//! use axum::{Router, extract::Request, middleware::{self, Next}, response::Response, routing::get};
//! use opentelemetry::trace::{FutureExt, TraceContextExt, Tracer};
//! use opentelemetry::{Context, global};
//! use tower_asdlc_metrics::HttpMetricsLayer;
//!
//! async fn trace(request: Request, next: Next) -> Response {
//!     let span = global::tracer("shop").start("request");
//!     next.run(request).with_context(Context::current_with_span(span)).await
//! }
//!
//! let app = Router::new()
//!     .route("/items/{id}", get(|| async { "an item" }))
//!     .layer(HttpMetricsLayer::new(meter))
//!     .layer(middleware::from_fn(trace)); // outside of the metrics
//! # app }
//! ```
//!
//! The first of these spans whose context is valid decides:
//!
//! 1. The span of the current OpenTelemetry context. The layer of `tracing-opentelemetry` makes a span current
//!    while it is entered, unless this layer is built with `with_context_activation(false)`.
//! 2. With [`with_tracing_spans`](LayerBuilder::with_tracing_spans) (feature `tracing-opentelemetry`), the current span of
//!    `tracing`.
//! 3. An extension of the request: an [`opentelemetry::trace::SpanContext`], or else an [`opentelemetry::Context`]. It is
//!    for a service that has spans but does not make them current.
//! 4. The span that the header `traceparent` of [W3C Trace Context](https://www.w3.org/TR/trace-context/) names. So a service
//!    without traces of its own has exemplars if the sender has sampled the trace. An invalid header is ignored. If a request has
//!    several such headers, all are ignored.
//!
//! If that span is sampled, the measurements of the request belong to it: those at its end, and also the time to the response's
//! head, the sizes of bodies, and the duration of an upgraded connection. If it is not sampled, they become no exemplars, even
//! if a later span of this list is sampled. (With the exporter's filter `always_on`, they become exemplars without ids.) The layer
//! copies only the ids, so it does not keep a span open.
//!
//! The layer of a client does the same when it is called with a request: the current span is usually that of the code that sends the
//! request. A header `traceparent` counts only if a propagator outside of the layer has set it.
//!
//! A sender can name any trace in `traceparent`. This adds no series, and each bucket keeps one exemplar. If one of the spans 1 to
//! 3 is valid, the header is not read.
//!
//! # Where to put it
//!
//! The layer records the requests that pass through it:
//!
//! - *Outside* of layers that respond on their own (timeouts, authentication, limits), it counts their responses (408, 401, 429).
//!   *Inside* of them, it does not see the requests that they refuse. A request that an outer timeout drops is then `cancelled`
//!   with 499.
//! - *Outside* of a limit (`ConcurrencyLimitLayer`, `GlobalConcurrencyLimitLayer`, `BufferLayer`), it includes the queue: a
//!   request that waits for a permit is in flight, its wait is in the latency, and a client that leaves meanwhile is a 499.
//!   *Inside* of it, no metric includes the queue. tonic's own `concurrency_limit_per_connection` is always outside.
//!   (`RateLimitLayer` is not `Clone`: put a `BufferLayer` around it.)
//! - *Outside* of load shedding (`LoadShedLayer`), it counts the refused requests. *Inside* of load shedding, it needs
//!   [`with_backpressure`](HttpMetricsLayerBuilder::with_backpressure): otherwise the layer is always ready, and no request is
//!   refused. Inside of a load balancer that uses the readiness of several services, it needs this setting too.
//! - *Outside* of a layer that catches panics, it counts the 500 that is sent. *Inside*, it counts the panic.
//! - *Inside* of a layer that starts the span of the request, it has [exemplars](#exemplars) of this span. *Outside* of it, there is
//!   no span yet when the request arrives.
//! - On an axum `Router`, [`Router::layer`](https://docs.rs/axum/0.8/axum/struct.Router.html#method.layer) applies to the routes
//!   that were added *before* it. Add `/metrics` after it, so that scrapes are not counted.
//! - Around an axum `Router` (`HttpMetricsLayer::layer(router)`), no route is matched yet, and the endpoint of every request is
//!   [`UNMATCHED`].
//! - If it is applied twice to one service, it counts each request twice.
//!
//! To turn it on and off by configuration, see [`HttpMetricsLayer::disabled`].
//!
//! # Cost
//!
//! A warm request allocates nothing, takes no lock of this crate, and hashes no attributes. These requests allocate:
//!
//! - requests for a service that is nested in an axum router (see [`MatchedRoute`]),
//! - gRPC-Web calls,
//! - calls of gRPC methods that a server does not list in [`GrpcMethods`]: up to 1 000 in the life of a layer,
//! - requests whose response has [`ResponseLabels`],
//! - requests that wait for the inner service to be ready,
//! - all requests, if [`with_body_sizes`](HttpMetricsLayerBuilder::with_body_sizes) is used,
//! - requests for an upgrade, if [`with_upgrades`](HttpMetricsLayerBuilder::with_upgrades) is used.
//!
//! The route of a request is found with one look-up in an append-only table. The requests in flight are counted per thread.
//! Measurements are buffered per thread and flushed to the SDK's bound instruments in batches of up to 16; those of the optional
//! metrics are not buffered. `benches/ladder` compares the cost with that of a minimal hand-written layer.
//!
//! [Exemplars](#exemplars) cost nothing if the meter records none. If it does, a request without a sampled span is still buffered. A
//! request with a sampled span is recorded at once, because a buffer has no spans. It does not allocate either.
//!
//! # Features
//!
//! - `bound` (default): records through bound instruments (`opentelemetry_sdk`'s `experimental_metrics_bound_instruments`).
//!   Without it, each measurement passes its attributes, which is slower. Turn it off for a `MeterProvider` that is not the
//!   SDK's: such a provider may silently drop the measurements of bound instruments.
//! - `axum`: [`HttpMetricsLayer::new`] and [`MatchedRoute`], for axum 0.8. [`UpgradeGuard`] can be an argument of a handler, and
//!   [`RequestHead::uri`] returns the URI that the client requested, also inside of a `nest`.
//! - `hyper-util`: the client's layer can know the [errors](LayerBuilder::with_hyper_util_errors) of hyper-util's client, hyper, h2,
//!   and tower's `Timeout`.
//! - `tonic`: [`GrpcMethods::from_file_descriptor_sets`]. For clients, [`TonicMethod`] and the
//!   [errors](LayerBuilder::with_tonic_errors) of `Channel`. For tonic 0.14.
//!   Turns on `hyper-util`.
//! - `tracing-opentelemetry`: [`with_tracing_spans`](LayerBuilder::with_tracing_spans), for tracing-opentelemetry 0.34. Only for
//!   [exemplars](#exemplars), and only if its layer does not activate the context.
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

mod client;
mod error;
mod labels;
mod layer;
mod record;
mod service;

pub use client::builder::HttpClientMetricsLayerBuilder;
pub use client::future::ClientResponseFuture;
pub use client::layer::HttpClientMetricsLayer;
pub use client::response_body::ClientResponseBody;
pub use client::service::HttpClientMetrics;
pub use error::BuildError;
pub use labels::client_error::ClientErrorType;
pub use labels::conventions::Conventions;
pub use labels::endpoint::{
    Endpoint, EndpointFn, FixedEndpoint, Or, ResponseEndpoint, endpoint_fn,
};
pub use labels::grpc_methods::GrpcMethods;
#[cfg(feature = "axum")]
pub use labels::matched_route::MatchedRoute;
pub use labels::names::{HttpLabel, HttpMetric};
pub use labels::request_head::RequestHead;
pub use labels::response_label::ResponseLabels;
#[cfg(feature = "tonic")]
pub use labels::tonic_method::TonicMethod;
pub use labels::values::{NONE, OTHER, OVERFLOW, UNMATCHED};
pub use layer::builder::{ClientSide, LayerBuilder, ServerSide};
pub use layer::layer::HttpMetricsLayer;
pub use layer::meter_source::{
    FromMeter, FromProvider, FromSharedProvider, MeterSource, SCHEMA_URL, SEMANTIC_SCHEMA_URL,
};
pub use layer::server_builder::HttpMetricsLayerBuilder;
pub use service::future::ResponseFuture;
pub use service::request_body::{RequestBody, RequestBodyLayer, RequestBodyService};
pub use service::response_body::ResponseBody;
pub use service::service::HttpMetrics;
pub use service::upgrade::UpgradeGuard;

/// Without the feature `axum`, neither `MatchedRoute` nor the constructor that uses it exists:
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
