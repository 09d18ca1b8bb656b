//! Queries of a `VictoriaMetrics`, safe to hand to browsers (feature `victoria-metrics`).
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
//! The proxy answers under any prefix, and whether a router takes the prefix off or not: what counts
//! is how the path ends.
//!
//! | request | answer |
//! |---|---|
//! | `GET` or `POST` `query_range?query=&start=&step=`, also `end` | what `VictoriaMetrics` says, byte by byte |
//! | `GET` or `POST` `query?query=`, also `time` | what `VictoriaMetrics` says, byte by byte |
//! | `GET` `services` | `{"status":"success","data":["orchestrator",…]}`: the values of the label `service`, sorted |
//! | `GET` `health` | 200 `{"status":"success","data":{"healthy":true,"latency_ms":1.5}}`, or 503 with `"healthy":false` in an error |
//! | `GET` `openapi.json` | the `OpenAPI` 3.1 document of the four |
//! | `GET` `docs/` | a page that shows it (Swagger UI), all from this program |
//! | `HEAD` | the headers of `GET` |
//! | `OPTIONS` | 204 with `Allow`, and CORS headers for the origins that are [allowed](QueryProxyBuilder::with_cors_origin) |
//! | other methods | 405 with `Allow` |
//!
//! `health` queries a series that does not exist, with the prefix and the credentials of all other
//! queries. The `/health` endpoint of `VictoriaMetrics` would be healthy even if queries hang, and an
//! expression without a series would not reach the storage nodes. `health` waits for 5 s at most. It
//! does not count as a query [in flight](QueryProxyBuilder::with_max_in_flight), so that limit never
//! refuses it.
//!
//! # Partial answers
//!
//! When a node of a cluster is missing, `VictoriaMetrics` answers with what the others have and
//! `"isPartial":true`; other servers with the same API add `warnings` and `infos`. `query` and
//! `query_range` pass these keys on unchanged. `services` and `health` have them beside `status` and
//! `data`, with addresses removed from `warnings` and `infos`; a complete answer does not have them. A
//! single node does not report that it cut a list of services at `-search.maxTagValues` (100 000).
//!
//! # Parameters
//!
//! They are read into types, and the upstream is asked in words of the proxy's own: no path, header
//! or text of a client reaches it but the query, encoded anew. A parameter that is not in the table
//! (`extra_label`, `extra_filters[]`, `nocache`, `timeout`, …), that is there twice, or that is not
//! percent-encoded UTF-8 is a 400 that names it. `POST` takes a form of 64 KiB at
//! most, which has to come within 5 s.
//!
//! | parameter | allowed |
//! |---|---|
//! | `query` | 16 KiB at most, and not only white space and comments |
//! | `start`, `end`, `time` | RFC 3339, seconds of the epoch, `now`, `now-15m`; `end` and `time` are `now` if missing; `now` is in whole seconds |
//! | `step` | `15s`, `1h30m`, or seconds; so that there are no more than 11 000 points a series: else a 400 names the smallest `step` |
//!
//! # Errors
//!
//! All are JSON: `{"status":"error","errorType":"…","error":"…"}`. Addresses and headers of the
//! upstream are in none of them. The log (`tracing`) has the cause: of an answer its status and how
//! its body begins, without secrets. It is a warning when the last exchange did not fail in the same
//! way, else a debug event.
//!
//! | status | `errorType` | |
//! |---|---|---|
//! | 400 | `bad_data` | a parameter, by its name |
//! | 404, 405 | `not_found`, `method_not_allowed` | |
//! | 408, 413, 415 | `slow_request`, `too_long`, `unsupported_media_type` | the form of a `POST` |
//! | 422 and other 4xx of `VictoriaMetrics` | `execution` | what it says about the query in its JSON, without addresses |
//! | 429 | `too_many_requests` | too many queries at a time, here or there; with `Retry-After` |
//! | 502 | `bad_answer` | no HTTP, no JSON, no length, a redirect, an encoding that nobody asked for or that is not what it says, 404, a 4xx that is not in the JSON of `VictoriaMetrics`, such as vmauth's |
//! | 502 | `too_large` | larger than [allowed](QueryProxyBuilder::with_max_answer_bytes) |
//! | 502 | `credentials` | 401 or 403: those of this service are wrong |
//! | 503 | `unreachable` | no connection: refused, no such name, TLS |
//! | 503 | `connection_lost` | it ended before the answer did |
//! | 503 | `timeout` | the answer was not complete in time |
//! | 503 | `unavailable` | 5xx of `VictoriaMetrics`; with `Retry-After` |
//! | 503 | `not_configured` | there is no URL |
//!
//! # What an answer costs
//!
//! Of an answer 1 MiB is kept, at most, so that it can fail with a status, and the rest is read as
//! the client reads: memory is bounded by 1 MiB for each of the [queries in
//! flight](QueryProxyBuilder::with_max_in_flight), whatever the upstream sends. When something fails
//! after the first MiB, the connection to the client is cut: a part never looks like the whole. gzip
//! is passed on to clients that name it; its first bytes are checked, the rest is up to the client.
//!
//! Queries that are the same at the same time share one call of the upstream; answers of more than
//! 1 MiB are not shared, and each client has its own call. Each client has its own deadline. The
//! upstream gets the timeout of the first client. If it gives up at that time, clients that still have
//! time ask again. A call lasts as long as a client waits for it: when the last client leaves, the
//! proxy closes the connection to cancel it. Nothing is cached.
//!
//! Idle connections are kept for 30 s. If a kept connection closes before the first byte of an answer,
//! the request is sent once more, on a new connection and within the same deadline: the server has
//! probably closed the connection because it was idle.
//!
//! # Metrics
//!
//! | name | labels | recorded |
//! |---|---|---|
//! | `query_proxy_requests_total` | `route`, `outcome`: `ok`, `cancelled` (the client left) or an `errorType` | when the answer ends |
//! | `query_proxy_requests_in_flight` | | from the arrival of a request to the end of its answer |
//! | `query_proxy_rejected_total` | `reason`: an `errorType` | when a request is refused without asking `VictoriaMetrics` |
//! | `query_proxy_response_bytes_total` | | when the answer ends: bytes of bodies, compressed or not, as sent |
//! | `query_proxy_shared_total` | `route` | when a request is answered with what another one had asked for |
//! | `query_proxy_upstream_duration_seconds` | `route` | when a call has been answered, with 1 MiB at most, or has failed, also because the time of a client was up; not when it was cancelled |
//! | `query_proxy_upstream_cancelled_total` | `route` | when a call is cancelled in this time |
//!
//! `route` is `query_range`, `query`, `services`, `health`, `openapi`, `docs`, or `_OTHER`.
//!
//! # TLS
//!
//! For an `https` URL the feature `victoria-metrics-tls` is needed: rustls with ring. It trusts the
//! authorities of the system (of `SSL_CERT_FILE`, if that is set), or those it is given.

mod api_error;
mod base_url;
mod body;
mod builder;
#[cfg(feature = "config")]
pub(crate) mod check;
mod connection_pool;
#[cfg(feature = "victoria-metrics-tls")]
mod connector;
mod cors;
mod envelope;
mod error;
mod instruments;
mod openapi;
mod params;
mod request;
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
