//! PromQL queries of a `VictoriaMetrics`, safe to hand to browsers (feature `victoria-metrics`).
//!
//! ```
//! use asdlc_exporter::{Exporter, victoria_metrics::QueryProxy};
//! use axum::Router;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = Exporter::builder("shop").build()?;
//! let proxy = QueryProxy::builder("http://127.0.0.1:8428").build(&exporter.meter())?;
//!
//! let app: Router = Router::new().nest_service("/api/metrics", proxy);
//! # Ok(()) }
//! ```

mod answer;
mod base;
mod body;
mod builder;
#[cfg(feature = "config")]
pub(crate) mod check;
mod cors;
mod docs;
mod error;
mod failure;
mod flight;
mod instruments;
mod openapi;
mod params;
mod refusal;
mod request;
mod route;
mod service;
mod settings;
#[cfg(feature = "victoria-metrics-tls")]
mod tls;
mod upstream;

pub use body::{QueryProxyBody, QueryProxyBodyError};
pub use builder::QueryProxyBuilder;
pub use error::QueryProxyError;
pub use service::{QueryProxy, QueryProxyFuture};
