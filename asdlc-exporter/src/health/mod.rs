//! Liveness and readiness as services (feature `health`).
//!
//! ```
//! use asdlc_exporter::health::{Dependency, LivenessService, Readiness, TcpCheck};
//! use axum::Router;
//!
//! # fn main() -> Result<(), asdlc_exporter::health::HealthError> {
//! let readiness = Readiness::builder()
//!     .with(Dependency::critical("database", TcpCheck::new("127.0.0.1:5432")?))
//!     .with(Dependency::optional("search", || async { Err("not built yet") }))
//!     .build()?;
//!
//! let app: Router = Router::new()
//!     .route_service("/v1/health", LivenessService::new())
//!     .route_service("/v1/ready", readiness.service());
//!
//! // When the process is told to stop: no new work, please.
//! readiness.drain();
//! # Ok(()) }
//! ```
//!
//! Liveness says that the process answers, and looks at nothing else: a database that is down is no
//! reason to kill it. Readiness says whether work should be sent here.
//!
//! | request | answer |
//! |---|---|
//! | `GET` liveness | 200 `{"status":"ok","uptime_seconds":12.5}` |
//! | `GET` readiness, all critical dependencies are healthy | 200 `{"status":"ready",…}` |
//! | `GET` readiness, one is not | 503 `{"status":"not_ready",…}` |
//! | `GET` readiness after [`drain`](Readiness::drain) | 503 `{"status":"draining",…}`, without a look at anything |
//! | `HEAD` | the headers of `GET` |
//! | other methods | 405 with `Allow: GET, HEAD` |
//!
//! Each dependency is an object in the list `dependencies`: `name`, `critical`, `healthy`,
//! `latency_ms`, and when it is not healthy `reason`: `failed`, `timeout` or `panicked`. What
//! exactly went wrong may hold addresses and secrets: it is in the log (`tracing`, a warning when a
//! dependency becomes unhealthy) and never in the body. The log has one line of at most 512
//! characters with the error and its causes, without users, passwords, tokens and the queries of URLs.
//!
//! To `Accept: application/health+json` the answer has that type and the words of the draft "Health
//! Check Response Format for HTTP APIs": `pass`, `warn` (an optional dependency is down), `fail`.

mod check;
mod dependency;
mod error;
mod http_check;
mod readiness;
mod response;
mod service;

pub use check::{Check, CheckError, CheckFuture};
pub use dependency::Dependency;
pub use error::HealthError;
pub use http_check::{HttpCheck, TcpCheck};
pub use readiness::{Readiness, ReadinessBuilder};
pub use service::{LivenessService, ReadinessFuture, ReadinessService};
