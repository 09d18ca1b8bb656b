//! A [`tower::Service`](tower_service::Service) that serves the metrics of an OpenTelemetry
//! [`Meter`](opentelemetry::metrics::Meter) in Prometheus formats.
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
//! The response to `GET /metrics`, in text format 0.0.4:
//!
//! ```text
//! # HELP orders_total Orders taken.
//! # TYPE orders_total counter
//! orders_total{service="shop",paid="true"} 1
//! # HELP service_info Always 1. The label has the version of the service.
//! # TYPE service_info gauge
//! service_info{service="shop",version="1.2.3"} 1
//! # HELP uptime_seconds Time since the exporter was built.
//! # TYPE uptime_seconds gauge
//! uptime_seconds{service="shop"} 0.25
//! ```
//!
//! An [`Exporter`] is a meter provider. If you have one already, add a [`PrometheusReader`] to it.
//!
//! # Every response is valid and complete
//!
//! The code may record any name, key, value and help text: a Prometheus server can always read the
//! response. If a callback panics, only values of its own metric are missing. If a collector of a
//! registry panics, the metrics of this registry are missing. If a [`Source`] panics or hangs, the
//! scrape continues with the values that it stored before. If the metrics could not be collected,
//! because the provider is shut down or a callback hangs, the response is a 503. An empty 200 would
//! look like a service that does nothing.
//!
//! # What a client may request
//!
//! A client can request text format 0.0.4 or 1.0.0, `OpenMetrics` 1.0.0 or protobuf. It can also request how
//! names are escaped, a compressed response, only some families, and a time limit: see [`ScrapeService`].
//! The exporter collects on its own thread. All scrapes that wait share one collection. So other requests of
//! the service are not delayed, even by many scrapes or by a large one.
//!
//! # From OpenTelemetry to Prometheus
//!
//! The exporter follows the OpenTelemetry–Prometheus compatibility specification. This table lists
//! the cases that the specification leaves open, and the cases in which the crate
//! opentelemetry-prometheus does not follow the specification:
//!
//! | recorded | served |
//! |---|---|
//! | counter `orders`, counter `orders_total` | `orders_total`: a suffix is not added twice |
//! | unit `s`, `By`, `By/s`, … | suffix `_seconds`, `_bytes`, `_bytes_per_second`, unless the name has these words |
//! | unit `1` | suffix `_ratio`, but not on a counter |
//! | a unit that Prometheus has no word for, such as `km` | suffix `_km`; annotations such as `{request}` are left out |
//! | any unit, any counter, with [`TranslationStrategy::UnderscoreEscapingWithoutSuffixes`] or [`TranslationStrategy::NoTranslation`] | no suffix |
//! | invalid characters and `_` in names and keys | each run of them becomes one `_`; valid names and keys of a registry do not change |
//! | the same, with [`TranslationStrategy::NoUTF8EscapingWithSuffixes`] or [`TranslationStrategy::NoTranslation`] | not changed; scrapers that do not request UTF-8 names get [escaped](TranslationStrategy::NoUTF8EscapingWithSuffixes) names |
//! | keys `1st`, `__name__`, and the empty key | `key_1st`, `_name_`, `key` |
//! | a key that is a constant label, or `le` on a histogram | `exported_<key>`, as in Prometheus |
//! | several keys that become one label | their values in the order of the keys, joined by `;` |
//! | an attribute or a constant label with an empty value | no label, as in Prometheus; joined values leave it out |
//! | attribute sets that become one series | one series: counters, up-down counters and histograms are added; for gauges, the greatest value is served |
//! | label values of more than 1024 bytes, and other text that is too long for scrapers | [truncated](ExporterBuilder::with_max_label_value_len) |
//! | one name in several scopes or number types | one family; series with the same labels are merged as above, and [`ScopeLabels`] decide whether scopes are labels |
//! | an attribute with the label of a scope, such as `otel.scope.name` | if scopes are labels, joined with the value of the scope by `;` |
//! | histograms of one series with different boundaries | the boundaries that they share, where the counts are exact |
//! | one name with several help texts | the first help text |
//! | one name with several kinds | the first kind; the other metric is dropped with one warning |
//! | exponential histogram | in protobuf a [native histogram](NativeHistograms) and classic buckets, in text and `OpenMetrics` only the classic buckets |
//! | integers | all digits, never rounded through a float |
//! | a metric in a registry (`ExporterBuilder::with_registry`, feature `prometheus`) | under its own name, merged as above; without a type it is dropped |
//! | the same of `ExporterBuilder::with_prometheus_client_registry` (feature `prometheus-client`) | under the name that its crate writes, merged as above; of type `unknown`: `untyped`, merged as gauges |
//! | a metric that the [`MetricPolicy`] denies | not served; with an [`Exporter`], not recorded either |
//!
//! In `OpenMetrics`, the same series have the same names and values, except where the format forbids it:
//!
//! | recorded | served as `OpenMetrics` |
//! |---|---|
//! | counter `orders_total` | family `orders`, sample `orders_total` |
//! | the same, if another family uses the name `orders` or `orders_created`, or a value is negative or NaN | family `orders_total` of type `unknown` |
//! | gauge `build_info` whose values are 1 | family `build` of type `info`, sample `build_info`; a gauge if `build` is another family |
//! | a unit at the end of the name | a line `# UNIT` |
//! | floating-point numbers | in the form of its "Canonical Numbers": `1.0`, `100000.0`, `1e+06`, `1e-05`; integers have all their digits |
//! | histogram with a negative boundary, or a sum that is negative or NaN | buckets without sum and count |
//!
//! The "first" metric is the one that was collected by the earliest scrape. Within a scrape, the metrics
//! of this crate's scope come first. The others are ordered by their scope: its name, then its version,
//! schema URL and attributes. Within a scope, the order is that in which the instruments were created.
//! Metrics of registries come last, in the order in which the registries were added. A histogram `x` also
//! has the names `x_bucket`, `x_sum`, `x_count` and `x_created`.
//!
//! # Pushing
//!
//! [`with_reader`](ExporterBuilder::with_reader) adds a reader of the SDK that pushes the same metrics, for
//! example over OTLP. `examples/otlp_push.rs` is a service that is scraped and pushes.
//!
//! # Environment
//!
//! Nothing reads the environment unless a program calls one of these functions. They read the variables
//! that OpenTelemetry specifies. An empty variable is the same as one that is not set. A wrong value is an
//! [`EnvironmentError`] that names the variable:
//!
//! ```
//! use asdlc_exporter::Exporter;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = Exporter::builder_from_env("shop")?.with_version("1.2.3").build()?;
//! # Ok(()) }
//! ```
//!
//! | variable | value | default | read by |
//! |---|---|---|---|
//! | `OTEL_SERVICE_NAME` | the name of the service | `service.name` of `OTEL_RESOURCE_ATTRIBUTES`, or else the name in the code; for a resource, `unknown_service:` and the program's name | [`Exporter::builder_from_env`], [`resource_from_env`] |
//! | `OTEL_RESOURCE_ATTRIBUTES` | `key1=value1,key2=value2`, percent-encoded | none | the same |
//! | `OTEL_SDK_DISABLED` | `true` or `false` | `false` | [`Exporter::builder_from_env`], [`PrometheusReader::builder_from_env`] |
//! | `OTEL_METRICS_EXEMPLAR_FILTER` | which measurements become [exemplars](ExporterBuilder::with_exemplars): `always_on`, `always_off` or `trace_based` | `always_off` | the same |
//! | `OTEL_EXPORTER_PROMETHEUS_HOST` | an IP address or a host name | `localhost` | `serve::Server::builder_from_env` |
//! | `OTEL_EXPORTER_PROMETHEUS_PORT` | 0 to 65535 | 9464 | the same |
//!
//! The module `config` (feature `config`) reads variables of other names.
//!
//! # Features
//!
//! * `gzip` (on by default): compresses responses for clients that accept gzip, as Prometheus and
//!   `VictoriaMetrics` do. It is pure Rust. With 1 000 histogram and 1 000 counter series, it takes 1.5 ms
//!   of CPU time, and the response has a tenth of the bytes.
//! * `zstd`: the same with zstd, which needs a C compiler.
//! * `prometheus`: `ExporterBuilder::with_registry` serves the metrics of a `prometheus::Registry` too. The
//!   crate `prometheus` is re-exported.
//! * `prometheus-client`: `ExporterBuilder::with_prometheus_client_registry` does the same for a registry
//!   of the crate `prometheus-client`, which is re-exported.
//! * `process`: memory, CPU time, files and threads of this process, and the limits of its container, in the
//!   module `process`.
//! * `pools`: connections of connection pools, in the module `pools`. `deadpool`, `bb8` and `sqlx` know the pools
//!   of these crates. `sqlx` needs Rust 1.94.
//! * `health`: liveness and readiness services, in the module `health`. Needs Tokio.
//! * `redis`: whether Redis responds, and how long its commands take, in the module `redis`. Needs Tokio.
//! * `runtime`: workers, tasks and queues of Tokio runtimes, and how long a new task waits, in the module
//!   `runtime`.
//! * `serve`: a small HTTP server for services that have none, in the module `serve`. Needs Tokio.
//! * `victoria-metrics`: a proxy for queries to `VictoriaMetrics`, in the module `victoria_metrics`. Needs
//!   Tokio. `victoria-metrics-tls` allows `https` between the proxy and `VictoriaMetrics`.
//! * `config`: settings as a serde structure and from the environment, in the module `config`.
//!   `config-yaml` and `config-toml` read files.
//! * `full`: all of them but `sqlx`.

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod accept;
#[cfg(any(feature = "config", feature = "redis"))]
mod boundaries;
mod catch_panic;
mod collect;
#[cfg(feature = "config")]
pub mod config;
#[cfg(any(feature = "serve", feature = "victoria-metrics"))]
mod credentials;
mod error;
mod exemplars;
mod exporter;
mod exposition;
mod families;
#[cfg(feature = "health")]
pub mod health;
#[cfg(any(feature = "redis", feature = "victoria-metrics"))]
mod hedged;
mod meter_source;
#[cfg(any(feature = "health", feature = "pools", feature = "runtime"))]
mod names;
#[cfg(feature = "pools")]
pub mod pools;
#[cfg(feature = "process")]
pub mod process;
mod redact;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "runtime")]
pub mod runtime;
mod scrape;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(any(feature = "health", feature = "redis", feature = "victoria-metrics"))]
mod single_flight;
mod stream;
mod unix_time;
#[cfg(feature = "victoria-metrics")]
pub mod victoria_metrics;
pub mod workers;

pub use collect::source::{Source, blocking};
pub use error::{BuildError, ScrapeError};
pub use exemplars::filter::ExemplarFilter;
pub use exporter::{
    builder::ExporterBuilder,
    environment::{error::EnvironmentError, resource::resource_from_env},
    exporter::Exporter,
    meters::GuardedMeterProvider,
    prometheus_reader::PrometheusReader,
    reader_builder::PrometheusReaderBuilder,
    service_info,
    state_gauge::StateGauge,
};
pub use exposition::format::Format;
#[cfg(feature = "prometheus-client")]
pub use families::foreign::prometheus_client::PrometheusClientRegistry;
pub use families::{
    labels::scope_labels::ScopeLabels,
    names::{name::TranslationStrategy, policy::MetricPolicy},
    series::{idle_timeout::IdleTimeout, native_histograms::NativeHistograms},
};
pub use meter_source::{FromMeter, FromProvider, FromSharedProvider, MeterSource, SCHEMA_URL};
#[cfg(feature = "prometheus")]
pub use prometheus;
#[cfg(feature = "prometheus-client")]
pub use prometheus_client;
pub use scrape::{ScrapeBody, ScrapeFuture, ScrapeService};
