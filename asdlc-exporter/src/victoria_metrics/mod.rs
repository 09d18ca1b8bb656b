//! A query proxy that gives browsers limited access to a `VictoriaMetrics` (feature `victoria-metrics`).
//!
//! ```
//! use asdlc_exporter::{Exporter, victoria_metrics::QueryProxy};
//! use axum::Router;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = Exporter::builder("shop").build()?;
//! let url = std::env::var("VICTORIAMETRICS_URL").ok();
//! let proxy = QueryProxy::builder(url.as_deref()).build(&exporter.meter())?;
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
//! | `GET` or `POST` `query_range?query=&start=&step=`, also `end` | the response of `VictoriaMetrics`, byte by byte |
//! | `GET` or `POST` `query?query=`, also `time` | the response of `VictoriaMetrics`, byte by byte |
//! | `GET` `services` | `{"status":"success","data":["orchestrator",…]}`: the values of the label `service`, sorted |
//! | `GET` `health` | 200 `{"status":"success","data":{"healthy":true,"latency_ms":1.5}}`, or 503 with `"healthy":false` in an error |
//! | `GET` `openapi.json` | the `OpenAPI` 3.1 document of the four |
//! | `GET` `docs/` | a page that shows the document (Swagger UI); all its files are part of this program |
//! | `HEAD` | the headers of `GET` |
//! | `OPTIONS` | 204 with `Allow`, and CORS headers for the origins that are [allowed](QueryProxyBuilder::with_cors_origin) |
//! | other methods | 405 with `Allow` |
//!
//! `health` queries a series that does not exist, with the path prefix and the credentials of all other
//! queries. The `/health` endpoint of `VictoriaMetrics` would be healthy even if queries hang, and an
//! expression without a series would not reach the storage nodes. `health` waits for 5 s at most. It
//! does not count as a query [in flight](QueryProxyBuilder::with_max_in_flight), so that limit never
//! refuses it.
//!
//! # Partial responses
//!
//! When a node of a cluster is missing, `VictoriaMetrics` responds with the data of the other nodes and
//! `"isPartial":true`. Other servers with the same API add `warnings` and `infos`. `query` and
//! `query_range` pass these keys on unchanged. `services` and `health` have them next to `status` and
//! `data`, with addresses removed from `warnings` and `infos`; a complete response does not have them. A
//! single-node `VictoriaMetrics` does not report that it cut a list of services at `-search.maxTagValues`
//! (100 000).
//!
//! # Parameters
//!
//! Parameters are parsed into types and written again for the upstream. The upstream gets no path, header
//! or text of a client except the query, which is encoded again. A parameter that is not in the table
//! (`extra_label`, `extra_filters[]`, `nocache`, `timeout`, …), is duplicate, or is not percent-encoded
//! UTF-8 is refused with a 400 that names it. The form of a `POST` may have 64 KiB, and must arrive within
//! 5 s.
//!
//! | parameter | allowed |
//! |---|---|
//! | `query` | 16 KiB at most, and not only white space and comments |
//! | `start`, `end`, `time` | RFC 3339, seconds since the epoch, `now`, `now-15m`; the default of `end` and `time` is `now`; `now` is rounded down to a second |
//! | `step` | `15s`, `1h30m`, or seconds. At most 11 000 points per series: the 400 for more has the smallest allowed `step` |
//!
//! # Errors
//!
//! All errors are JSON: `{"status":"error","errorType":"…","error":"…"}`. They have no addresses and no
//! headers of the upstream. The cause is logged (`tracing`): for a response, its status and the begin of
//! its body, without secrets. It is a warning if the last exchange did not fail in the same way, else a
//! debug event.
//!
//! | status | `errorType` | |
//! |---|---|---|
//! | 400 | `bad_data` | an invalid parameter; the message names it |
//! | 404, 405 | `not_found`, `method_not_allowed` | |
//! | 408, 413, 415 | `slow_request`, `too_long`, `unsupported_media_type` | the form of a `POST` |
//! | 422 and other 4xx of `VictoriaMetrics` | `execution` | its message about the query, without addresses |
//! | 429 | `too_many_requests` | too many concurrent queries, here or there; with `Retry-After` |
//! | 502 | `bad_answer` | the response is not HTTP or not JSON, has no length, is a redirect, a 404, or a 4xx that is not in the format of `VictoriaMetrics` (such as that of vmauth), or is in an encoding that was not requested or that does not match its header |
//! | 502 | `too_large` | larger than [allowed](QueryProxyBuilder::with_max_response_bytes) |
//! | 502 | `credentials` | 401 or 403: the credentials of this service are wrong |
//! | 503 | `unreachable` | no connection: refused, unknown host name, TLS |
//! | 503 | `connection_lost` | the connection ended before the response was complete |
//! | 503 | `timeout` | the response was not complete in time |
//! | 503 | `unavailable` | 5xx of `VictoriaMetrics`; with `Retry-After` |
//! | 503 | `not_configured` | there is no URL |
//!
//! # Memory, sharing and cancellation
//!
//! The proxy reads up to 1 MiB of a response before it sends the first byte, so that the response can
//! still fail with a status. The rest is read as fast as the client reads. So memory is bounded by 1 MiB
//! for each [query in flight](QueryProxyBuilder::with_max_in_flight), whatever the upstream sends. If
//! something fails after the first MiB, the connection to the client is closed, so that an incomplete
//! response never looks complete. gzip is passed on to clients that name it in `Accept-Encoding`; the
//! proxy checks its first bytes only.
//!
//! Identical queries that run at the same time share one call of the upstream. Responses of more than
//! 1 MiB are not shared: each client has its own call. Each client has its own deadline, and the upstream
//! gets the timeout of the first client. If the upstream gives up at that time, clients with a later
//! deadline query again. A call is cancelled, by closing its connection, when its last client leaves.
//! Nothing is cached.
//!
//! Idle connections are kept for 30 s. If a kept connection closes before the first byte of a response,
//! the request is sent once more, on a new connection and within the same deadline: the server has
//! probably closed the connection because it was idle.
//!
//! # Metrics
//!
//! | name | labels | recorded |
//! |---|---|---|
//! | `query_proxy_requests_total` | `route`, `outcome`: `ok`, `cancelled` (the client left) or an `errorType` | when the response ends |
//! | `query_proxy_requests_in_flight` | | from the arrival of a request to the end of its response |
//! | `query_proxy_rejected_total` | `reason`: an `errorType` | when a request is refused without a call of `VictoriaMetrics` |
//! | `query_proxy_response_bytes_total` | | when the response ends: bytes of the body as sent, compressed or not |
//! | `query_proxy_shared_total` | `route` | when a request gets the response to another request |
//! | `query_proxy_upstream_duration_seconds` | `route` | when the response to a call was read (at most 1 MiB), when the call failed, and when it ended after the deadline of a client; not when it was cancelled |
//! | `query_proxy_upstream_cancelled_total` | `route` | when a call is cancelled before that |
//!
//! `route` is `query_range`, `query`, `services`, `health`, `openapi`, `docs`, or `_OTHER`.
//!
//! # TLS
//!
//! An `https` URL needs the feature `victoria-metrics-tls`: rustls with ring. It trusts the root
//! certificates of the system (of `SSL_CERT_FILE`, if that is set), or those that it is given.

// A query: service (routes the request) -> route, request, params (what is let through; a form is
// written for the upstream) -> shared_call (one call for identical queries, in flight limit) ->
// upstream (headers, credentials, checks the head) -> connection_pool -> connector.
// Back: streamed (a response of more than 1 MiB) -> response -> body (records the exchange).

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
