//! Liveness and readiness services (feature `health`).
//!
//! ```
//! use asdlc_exporter::health::{Dependency, LivenessService, Readiness, TcpCheck};
//! use axum::Router;
//!
//! # fn main() -> Result<(), asdlc_exporter::health::HealthError> {
//! let readiness = Readiness::builder()
//!     .with_dependency(Dependency::critical("database", TcpCheck::new("127.0.0.1:5432")?))
//!     .with_dependency(Dependency::optional("search", || async { Err("not built yet") }))
//!     .build()?;
//!
//! let app: Router = Router::new()
//!     .route_service("/v1/health", LivenessService::new())
//!     .route_service("/v1/ready", readiness.service());
//!
//! // On shutdown, before the server stops:
//! readiness.drain();
//! # Ok(()) }
//! ```
//!
//! Liveness reports that the process responds, and checks nothing else: restarting the process does not
//! repair a database that is down. Readiness reports whether requests should be sent to this process.
//!
//! | request | response |
//! |---|---|
//! | `GET` liveness | 200 `{"status":"ok","uptime_seconds":12.5}` |
//! | `GET` readiness, all critical dependencies are healthy | 200 `{"status":"ready",…}` |
//! | `GET` readiness, a critical dependency is not healthy | 503 `{"status":"not_ready",…}` |
//! | `GET` readiness after [`drain`](Readiness::drain) | 503 `{"status":"draining",…}`, without any check |
//! | `GET` readiness while the Tokio runtime stops, so that the checks do not end | 503 `{"status":"not_ready",…}`, without `dependencies` |
//! | `HEAD` | the headers of `GET` |
//! | other methods | 405 with `Allow: GET, HEAD` |
//!
//! A dependency is not healthy if its last check returned an error (`failed`), did not end in time
//! (`timeout`) or panicked (`panicked`). The list `dependencies` has an object for each dependency:
//! `name`, `critical`, `healthy`, `latency_ms`, and the `reason` if it is not healthy.
//!
//! The error itself may contain addresses and secrets, so it is never in the response. When a dependency
//! becomes unhealthy, the error is logged (`tracing`) as a warning: one line of at most 512 characters with
//! the error and its sources, without users, passwords, tokens and the queries of URLs.
//!
//! With `Accept: application/health+json` the response has that type and the format of the draft "Health
//! Check Response Format for HTTP APIs": `pass`, `warn` (an optional dependency is down), `fail`.

// A readiness request: service -> readiness (one round of checks for all requests of a period) ->
// dependency (runs one check with its timeout) -> check (the user's, http_check or tcp_check).
// Back: report (the results; decides whether the service is ready) -> response (status and JSON).

mod check;
mod dependency;
mod error;
mod http_check;
mod readiness;
mod report;
mod response;
mod service;
mod tcp_check;

pub use check::{Check, CheckError, CheckFuture};
pub use dependency::Dependency;
pub use error::HealthError;
pub use http_check::HttpCheck;
pub use readiness::{Readiness, ReadinessBuilder};
pub use service::{LivenessService, ReadinessFuture, ReadinessService};
pub use tcp_check::TcpCheck;
