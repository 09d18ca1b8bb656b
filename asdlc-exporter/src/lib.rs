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
//! A callback, collector or [`Source`] that panics costs its own metrics only. When there is nothing
//! true to tell (the provider is shut down, a callback hangs) the answer is status 503, because an
//! empty 200 would look like a service that does nothing.
//!
//! # What a client may ask for
//!
//! Text format 0.0.4 or `OpenMetrics` 1.0.0, compressed or not, everything or some families, in the
//! time it allows: [`ScrapeService`] has the list. Metrics are collected on a thread of the exporter,
//! once for all scrapes that wait, so that neither many scrapes nor a large one hold up requests.
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
//! | an attribute or a constant label with an empty value | no label, as in Prometheus; without a value it has no part in joined values |
//! | attribute sets that become one series | one series: counters, up-down counters and histograms added, of gauges the greatest |
//! | label values of more than 1024 bytes, and what else is too long for scrapers | [truncated](ExporterBuilder::with_max_label_value_len) |
//! | one name in several scopes or number types | one family, merged as above; scopes are not told apart |
//! | histograms of one series with different boundaries | the boundaries they share, where the counts are exact |
//! | one name with several help texts | the first help text |
//! | one name with several kinds | the first kind; the other metric is dropped with one warning |
//! | exponential histogram | count, sum and the bucket `+Inf`: these formats have no native histograms |
//! | integers | all digits, never rounded through a float |
//! | a metric in a registry (`ExporterBuilder::with_registry`, feature `prometheus`) | under its own name, merged as above; without a type it is dropped |
//! | a metric the [`MetricPolicy`] denies | not at all, and it is not recorded |
//!
//! In `OpenMetrics` the same series have the same names and values, but for what that format forbids:
//!
//! | recorded | served as `OpenMetrics` |
//! |---|---|
//! | counter `orders_total` | family `orders`, sample `orders_total` |
//! | … when `orders` is another family, or when a value is negative or NaN | family `orders_total` of type `unknown` |
//! | gauge `build_info` whose values are 1 | family `build` of type `info`, sample `build_info`; a gauge when `build` is another family |
//! | a unit at the end of the name | a line `# UNIT` |
//! | floating-point numbers | as its "Canonical Numbers": `1.0`, `100000.0`, `1e+06`, `1e-05`; integers have all their digits |
//! | histogram with a negative boundary, or a sum that is negative or NaN | buckets without sum and count |
//!
//! "First" is by scrape; within a scrape by the name of the scope and then in the order in which
//! the instruments were created, a registry last. A histogram `x` also has the names `x_bucket`,
//! `x_sum`, `x_count` and `x_created`. Resource attributes and scopes are not served.
//!
//! # Pushing as well
//!
//! [`with_reader`](ExporterBuilder::with_reader) gives the same metrics to a reader of the SDK that
//! pushes them, over OTLP for one; `examples/otlp_push.rs` is a service that does both.
//!
//! # Features
//!
//! * `health`: liveness and readiness services, in the module `health`; needs Tokio.
//! * `process`: memory, CPU time, files and threads of this process, in the module `process`.
//! * `prometheus`: `ExporterBuilder::with_registry` also serves what other code registers in a
//!   `prometheus::Registry`; the crate `prometheus` is re-exported.
//! * `redis`: whether Redis answers, and how long its commands take, in the module `redis`; needs
//!   Tokio.
//! * `gzip`: compresses answers for clients that accept gzip, as Prometheus and `VictoriaMetrics` do.
//!   It is on by default and pure Rust; `default-features = false` switches it off. With 1 000 histogram
//!   and 1 000 counter series, it takes 1.5 ms of CPU time, and the answer has a tenth of the bytes.
//! * `zstd`: the same in zstd, which is built from C.
//! * `serve`: a small HTTP server for services that have none, in the module `serve`; needs Tokio.
//! * `victoria-metrics`: queries of a `VictoriaMetrics` for dashboards, in the module
//!   `victoria_metrics`; needs Tokio. `victoria-metrics-tls` reaches one behind `https`.
//! * `config`: settings as one serde structure and from the environment, in the module `config`;
//!   `config-yaml` and `config-toml` read files.
//! * `full`: all of them.

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod accept;
mod catch_panic;
mod collect;
#[cfg(feature = "config")]
pub mod config;
mod error;
mod exporter;
mod exposition;
mod families;
#[cfg(feature = "health")]
pub mod health;
#[cfg(feature = "process")]
pub mod process;
#[cfg(any(
    feature = "config",
    feature = "health",
    feature = "serve",
    feature = "victoria-metrics"
))]
mod redact;
#[cfg(feature = "redis")]
pub mod redis;
mod scrape;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(any(feature = "health", feature = "redis", feature = "victoria-metrics"))]
mod single_flight;
#[cfg(feature = "victoria-metrics")]
pub mod victoria_metrics;
pub mod workers;

pub use collect::source::{Source, blocking};
pub use error::{BuildError, ScrapeError};
pub use exporter::{
    builder::ExporterBuilder, exporter::Exporter, meters::GuardedMeterProvider, service_info,
    state_gauge::StateGauge,
};
pub use exposition::format::Format;
pub use families::policy::MetricPolicy;
#[cfg(feature = "prometheus")]
pub use prometheus;
pub use scrape::{ScrapeFuture, ScrapeService};
