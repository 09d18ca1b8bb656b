//! A query proxy that gives browsers limited access to a `VictoriaMetrics` (feature `victoria-metrics`).
//!
//! ```
//! use asdlc_exporter::{Exporter, victoria_metrics::QueryProxy};
//! use axum::Router;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = Exporter::builder("shop").build()?;
//! let url = std::env::var("VICTORIAMETRICS_URL").ok();
//! let proxy = QueryProxy::builder(url.as_deref()).build(&exporter)?;
//!
//! let app: Router = Router::new().nest_service("/api/metrics", proxy);
//! # Ok(()) }
//! ```
//!
//! The proxy works under any path prefix, whether a router removes the prefix or not: only the end of the
//! path selects the route.
//!
//! | request | response |
//! |---|---|
//! | `GET` or `POST` `query_range?query=&start=&step=`, also `end` | the body of `VictoriaMetrics`, unchanged |
//! | `GET` or `POST` `query?query=`, also `time` | the body of `VictoriaMetrics`, unchanged |
//! | `GET` `services` | `{"status":"success","data":["orchestrator",…]}`: the values of the label `service`, sorted |
//! | `GET` `health` | 200 `{"status":"success","data":{"healthy":true,"latency_ms":1.5}}`, or 503 with `"healthy":false` in an error |
//! | `GET` `openapi.json` | the `OpenAPI` 3.1 document of the four routes above |
//! | `GET` `docs/` | a page that shows the document (Swagger UI); all its files are part of this program |
//! | `HEAD` | the headers of `GET` |
//! | `OPTIONS` | 204 with `Allow`, and CORS headers for the origins that are [allowed](QueryProxyBuilder::with_cors_origin) |
//! | other methods | 405 with `Allow` |
//!
//! `health` queries a series that does not exist. It uses the same path prefix and credentials as
//! all other queries. It does not use the `/health` endpoint of `VictoriaMetrics`, because that
//! endpoint reports success even if queries hang. A query that reads no series would not be enough,
//! because it does not reach the storage nodes.
//! `health` waits for 5 s at most. It does not count as a query [in
//! flight](QueryProxyBuilder::with_max_in_flight), so it is never refused with 429.
//!
//! # Partial responses
//!
//! When a node of a cluster is missing, `VictoriaMetrics` responds with the data of the other nodes and
//! `"isPartial":true`. Other servers with the same API add `warnings` and `infos`. `query` and
//! `query_range` pass these keys on unchanged. `services` and `health` have them next to `status` and
//! `data`, with addresses removed from `warnings` and `infos`. A complete response does not have
//! them.
//!
//! A single-node `VictoriaMetrics` cuts the list of services at `-search.maxTagValues` (100 000).
//! It does not report that the list is incomplete.
//!
//! # Parameters
//!
//! The proxy parses the parameters into types, and writes new ones for the upstream. The upstream gets no
//! path, no header and no text of a client, except the text of the query, which is encoded again. The proxy
//! refuses a parameter with 400 if it is not in the table (`extra_label`, `extra_filters[]`, `nocache`,
//! `timeout`, …), is duplicate, or is not percent-encoded UTF-8. The form of a `POST` may have 64 KiB, and
//! must arrive within 5 s.
//!
//! | parameter | allowed |
//! |---|---|
//! | `query` | 16 KiB at most, and not only white space and comments |
//! | `start`, `end`, `time` | RFC 3339, seconds since the epoch, `now`, `now-15m`; the default of `end` and `time` is `now`; `now` is rounded down to a second |
//! | `step` | `15s`, `1h30m`, or seconds. If there would be more than [11 000 points](QueryProxyBuilder::with_max_points) per series, the 400 has the smallest allowed `step` |
//!
//! # Errors
//!
//! All errors are JSON: `{"status":"error","errorType":"…","error":"…"}`. They have no addresses and no
//! headers of the upstream. The proxy logs the cause (`tracing`). If the upstream responded, the log has the
//! status and the start of the body, without secrets. The event is a warning. If the previous call
//! failed with the same `errorType`, it is a debug event.
//!
//! | status | `errorType` | |
//! |---|---|---|
//! | 400 | `bad_data` | an invalid parameter, which the message names; a 400 of `VictoriaMetrics` |
//! | 404, 405 | `not_found`, `method_not_allowed` | |
//! | 408, 413, 415 | `slow_request`, `too_long`, `unsupported_media_type` | the form of a `POST` |
//! | 422 and other 4xx of `VictoriaMetrics` | `execution` | its message about the query, without addresses |
//! | 429 | `too_many_requests` | too many concurrent queries, in the proxy or in `VictoriaMetrics`; with `Retry-After` |
//! | 502 | `bad_answer` | the response of the upstream is not HTTP or not JSON; it has no length; it is a redirect, a 404, or a 4xx that is not in the format of `VictoriaMetrics` (such as one of vmauth); its encoding is neither gzip nor identity, or does not match its header |
//! | 502 | `too_large` | larger than [allowed](QueryProxyBuilder::with_max_response_bytes) |
//! | 502 | `credentials` | 401, 403 or 407 of the upstream: the credentials of this service are wrong |
//! | 503 | `unreachable` | no connection: refused, unknown host name, TLS |
//! | 503 | `connection_lost` | the connection ended before the response was complete |
//! | 503 | `timeout` | the response was not complete in time |
//! | 503 | `unavailable` | 5xx of `VictoriaMetrics`; with `Retry-After` |
//! | 503 | `not_configured` | there is no URL |
//!
//! # Memory, sharing and cancellation
//!
//! The proxy reads up to 1 MiB of a response before it sends the first byte. If the upstream fails
//! before that, the client gets an error status. The proxy reads the rest of the response only as
//! fast as the client does. So each [query in flight](QueryProxyBuilder::with_max_in_flight) needs
//! at most 1 MiB of memory, whatever the upstream sends. If the upstream fails after the first MiB,
//! the proxy closes the connection to the client, so that an incomplete response does not look
//! complete.
//!
//! gzip is passed on to clients that name it in `Accept-Encoding`. The proxy checks only its first
//! bytes.
//!
//! Identical queries that run at the same time share one call of the upstream. Responses of more than
//! 1 MiB are not shared: each client has its own call. Each client has its own deadline. The upstream gets
//! the timeout of the first client. If the upstream times out, the other clients, which have later
//! deadlines, query again. When the last client of a call disconnects, the proxy cancels the call by
//! closing its connection. Nothing is cached.
//!
//! Idle connections are kept for 30 s. If a reused connection ends before the first byte of a response,
//! the request is sent once more, on a new connection and within the same deadline: the server has
//! probably closed the connection because it was idle.
//!
//! # Metrics
//!
//! | name | labels | recorded |
//! |---|---|---|
//! | `query_proxy_requests_total` | `route`, `outcome`: `ok`, `cancelled` (the client disconnected) or an `errorType` | when the response ends |
//! | `query_proxy_requests_in_flight` | | from the arrival of a request to the end of its response |
//! | `query_proxy_rejected_total` | `reason`: an `errorType` | when a request is refused without a call of `VictoriaMetrics` |
//! | `query_proxy_response_bytes_total` | | when the response ends: bytes of the body as sent, compressed or not |
//! | `query_proxy_shared_total` | `route` | when a request gets the response to another request |
//! | `query_proxy_upstream_duration_seconds` | `route` | when a call ends: its response was read to its end or to the first MiB, it failed, or it was stopped after the deadline of one of its clients |
//! | `query_proxy_upstream_cancelled_total` | `route` | when a call is cancelled before that, because its last client disconnected |
//!
//! `route` is `query_range`, `query`, `services`, `health`, `openapi`, `docs`, or `_OTHER`.
//!
//! # TLS
//!
//! An `https` URL needs the feature `victoria-metrics-tls`: rustls with ring. The proxy trusts the root
//! certificates of the system (or those of the file `SSL_CERT_FILE`, if that variable is set). With
//! `QueryProxyBuilder::with_root_certificates` it trusts only the given ones.

// A query: service (calls the next three) -> route (which paths and methods are allowed), request
// (reads the URL or the form), params (which parameters are allowed; writes the form for the upstream)
// -> shared_call (one call for identical queries, limit of queries in flight) -> upstream (headers,
// credentials, checks the head of the response) -> connection_pool -> connector.
// Back: streamed (a response of more than 1 MiB) -> response (headers) -> body (records the end).
// Responses that the proxy writes: envelope (services, health, errors), openapi, swagger_ui, cors.
// Errors: error (of the builder), api_error (for clients), upstream_error (of VictoriaMetrics).
// Settings: builder -> settings (limits), base_url (URL, credentials), cors. check is for `config`.
// Metrics: instruments.

mod api_error;
mod base_url;
mod body;
mod builder;
#[cfg(feature = "config")]
pub(crate) mod check;
mod connection_pool;
mod connector;
mod cors;
mod envelope;
mod error;
mod instruments;
mod media_type;
mod openapi;
mod params;
mod request;
mod response;
mod route;
mod service;
mod settings;
mod shared_call;
mod streamed;
mod swagger_ui;
mod upstream;
mod upstream_error;

pub use body::{QueryProxyBody, QueryProxyBodyError};
pub use builder::QueryProxyBuilder;
pub use error::QueryProxyError;
pub use service::{QueryProxy, QueryProxyFuture};
