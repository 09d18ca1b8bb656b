//! Serves what an OpenTelemetry [`Meter`](opentelemetry::metrics::Meter) records as Prometheus
//! text, from a [`tower::Service`](tower_service::Service).
//!
//! ```
//! use asdlc_exporter::Exporter;
//! use axum::Router;
//! use opentelemetry::KeyValue;
//!
//! # fn main() -> Result<(), asdlc_exporter::BuildError> {
//! let exporter = Exporter::builder("shop").with_version("1.2.3").build()?;
//!
//! let orders = exporter.meter().u64_counter("orders").with_description("Orders taken.").build();
//! orders.add(1, &[KeyValue::new("paid", true)]);
//!
//! let app: Router = Router::new().route_service("/metrics", exporter.scrape_service());
//! # Ok(()) }
//! ```
//!
//! `GET /metrics` then answers, in text format 0.0.4:
//!
//! ```text
//! # HELP orders_total Orders taken.
//! # TYPE orders_total counter
//! orders_total{service="shop",paid="true"} 1
//! # HELP service_info Always 1; the label tells which version of the service runs.
//! # TYPE service_info gauge
//! service_info{service="shop",version="1.2.3"} 1
//! # HELP uptime_seconds Seconds since the service built its exporter.
//! # TYPE uptime_seconds gauge
//! uptime_seconds{service="shop"} 0.25
//! ```
//!
//! # Every answer is valid, and none is empty
//!
//! Whatever name, key, value or help text code records, a Prometheus server can read the answer.
//! When there is nothing true to tell (the provider is shut down, a callback panicked) the answer
//! is status 503, because an empty 200 would look like a service that does nothing.
//!
//! # From OpenTelemetry to Prometheus
//!
//! The rules are those of the OpenTelemetry–Prometheus compatibility specification; where it leaves
//! a choice, or opentelemetry-prometheus departs from it, this is what happens:
//!
//! | recorded | served |
//! |---|---|
//! | counter `orders`, counter `orders_total` | `orders_total`: a suffix is never doubled |
//! | unit `s`, `By`, `By/s`, … | suffix `_seconds`, `_bytes`, `_bytes_per_second`, unless the name has these words |
//! | unit `1` | suffix `_ratio`, but not on a counter |
//! | other units, annotations such as `{request}` | no suffix |
//! | invalid characters in names and keys | runs of them become one `_`; valid names and keys stay as they are |
//! | keys `1st`, `__name__`, and the empty key | `key_1st`, `key__name__`, `key` |
//! | a key that is a constant label, or `le` on a histogram | `exported_<key>`, as Prometheus does |
//! | several keys that become one label | their values in the order of the keys, joined by `;` |
//! | attribute sets that become one series | one series: counters, up-down counters and histograms added, of gauges the last |
//! | one name in several scopes or number types | one family, merged as above; scopes are not told apart |
//! | histograms of one series with different boundaries | the boundaries they share, where the counts are exact |
//! | one name with several help texts | the first help text |
//! | one name with several kinds | the first kind; the other metric is dropped with one warning |
//! | exponential histogram | count, sum and the bucket `+Inf`: this format has no native histograms |
//! | integers | all digits, never rounded through a float |
//!
//! "First" is by scrape; within a scrape by the name of the scope and then in the order in which
//! the instruments were created. Resource attributes and scopes are not served.
//!
//! # Features
//!
//! * `process`: the memory of this process, in the module `process`.
//! * `full`: all of them.

mod error;
mod exporter;
mod families;
mod labels;
mod model;
mod name;
mod points;
#[cfg(feature = "process")]
pub mod process;
mod reader;
mod render;
mod scrape;
mod series;
mod service_info;
mod text;

pub use error::{BuildError, ScrapeError};
pub use exporter::{Exporter, ExporterBuilder};
pub use scrape::{ScrapeFuture, ScrapeService};
