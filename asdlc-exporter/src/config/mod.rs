//! Settings from a file and from the environment (feature `config`).
//!
//! ```
//! use asdlc_exporter::config::Config;
//!
//! # #[cfg(feature = "config-yaml")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let file = "
//! namespace: asdlc
//! labels:
//!   zone: b
//! metrics:
//!   port: 9100
//! ";
//! let environment = [("SERVICE_NAME", "shop"), ("ENVIRONMENT", "test"), ("METRICS_PORT", "9200")];
//! let config = Config::from_yaml(file, "shop.yaml")?.with_environment(environment)?;
//! assert_eq!((config.metrics.port, config.metrics.path.as_str()), (Some(9200), "/metrics"));
//!
//! let exporter = config.exporter("unnamed").with_version("1.2.3").build()?;
//! assert!(exporter.render()?.contains(
//!     r#"asdlc_service_info{service="shop",environment="test",zone="b",version="1.2.3"} 1"#
//! ));
//! # Ok(()) }
//! # #[cfg(not(feature = "config-yaml"))]
//! # fn main() {}
//! ```
//!
//! The structures need only serde: a service that has its own configuration structure can include
//! [`MetricsConfig`] or [`OtelConfig`], with the same rules and error messages. With the features
//! `config-yaml` and `config-toml`, `load` reads YAML and TOML files into any structure.
//!
//! `Config::load` reads these keys, and [`Config::with_environment`] reads these variables:
//!
//! | key in the file | environment variable | default | |
//! |---|---|---|---|
//! | `service` | `SERVICE_NAME` | set by the program | label `service` |
//! | `environment` | `ENVIRONMENT` | none | label `environment` |
//! | `namespace` | `METRICS_NAMESPACE` | none | prefix of all metric names |
//! | `labels` | `METRICS_LABELS=zone=b,tier=web` | none | more labels for every series |
//! | `metrics.enabled` | `METRICS_ENABLED` | `true` | whether metrics are served |
//! | `metrics.port` | `METRICS_PORT` | none; [9464](MetricsConfig::DEFAULT_PORT) by convention | 1 to 65535 |
//! | `metrics.path` | `METRICS_PATH` | `/metrics` | |
//! | `otel.metrics_enabled` | `OTEL_METRICS_ENABLED` | `true` | like `metrics.enabled`; both must be true |
//! | `policy.allow`, `policy.deny` | `METRICS_ALLOW=http_*,up`, `METRICS_DENY` | everything | see [`MetricPolicy`](crate::MetricPolicy) |
//! | `boundaries` | `METRICS_BOUNDARIES=wait=0.1,1;size=10` | those of the instruments | upper bounds of histogram buckets, by the name of the histogram |
//!
//! With the feature `victoria-metrics` there are also the settings of its `QueryProxy`:
//!
//! | key in the file | environment variable | default | |
//! |---|---|---|---|
//! | `victoria_metrics.url` | `VICTORIAMETRICS_URL` | none | `http[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]` |
//! | `….user`, `….password`, `….bearer_token` | `VICTORIAMETRICS_USER`, `…_PASSWORD`, `…_BEARER_TOKEN` | none | alternatives to a user in the URL |
//! | `….timeout` | `VICTORIAMETRICS_TIMEOUT` | `30s` | 100ms to 1h |
//! | `….max_points` | `VICTORIAMETRICS_MAX_POINTS` | 11000 | 2 to 30000 points per series |
//! | `….max_in_flight` | `VICTORIAMETRICS_MAX_IN_FLIGHT` | 16 | 1 to 1024 concurrent queries |
//! | `….max_response_bytes` | `VICTORIAMETRICS_MAX_RESPONSE_BYTES` | 67108864 | at least 1024 |
//! | `….services_window` | `VICTORIAMETRICS_SERVICES_WINDOW` | `1h` | 1m to 1y |
//! | `….cors_origins` | `VICTORIAMETRICS_CORS_ORIGINS=https://a.example,http://b:3000` | none | or `*` |
//!
//! A variable replaces the whole setting of the file: it does not add to a list or a map. Empty
//! variables and variables that are not in the tables are ignored. A value that is not UTF-8 is an
//! error.
//!
//! `METRICS_PORT=tcp://10.0.0.1:8080` is ignored too: Kubernetes sets it for a Service that is
//! named `metrics`. (`enableServiceLinks: false` in the pod's specification disables such
//! variables.)
//!
//! An unknown key, a value of the wrong type and a value that is not allowed are errors. The
//! message has the file, the line, the key and the allowed values. It never has a URL, a user, a
//! password or a token. The values of these four settings must be strings: put quotes around a
//! value that is a number.

// A file: file (YAML or TOML, line and key of an error) -> rules (allowed values) -> settings.
// file_error removes secrets from the messages of parsers.
// The environment: environment (all variables) -> rules -> settings.
// victoria_metrics is the section of the query proxy.

mod environment;
mod error;
#[cfg(any(feature = "config-yaml", feature = "config-toml"))]
mod file;
#[cfg(any(feature = "config-yaml", feature = "config-toml"))]
mod file_error;
mod rules;
mod settings;
#[cfg(feature = "victoria-metrics")]
mod victoria_metrics;

pub use error::ConfigError;
#[cfg(any(feature = "config-yaml", feature = "config-toml"))]
pub use file::load;
pub use settings::{Config, MetricsConfig, OtelConfig, PolicyConfig};
#[cfg(feature = "victoria-metrics")]
pub use victoria_metrics::VictoriaMetricsConfig;
