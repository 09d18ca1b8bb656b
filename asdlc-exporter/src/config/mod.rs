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
//! assert_eq!((config.metrics.port, config.metrics.path.as_str()), (9200, "/metrics"));
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
//! The structure needs serde alone: a service that has a configuration of its own takes
//! [`MetricsConfig`] or [`OtelConfig`] into it, with the same rules and the same messages. YAML and
//! TOML files are read with the features `config-yaml` and `config-toml`, by `load` into a structure
//! of any service.
//!
//! | file | environment | default | |
//! |---|---|---|---|
//! | `service` | `SERVICE_NAME` | what the program says | label `service` |
//! | `environment` | `ENVIRONMENT` | none | label `environment` |
//! | `namespace` | `METRICS_NAMESPACE` | none | prefix of all names |
//! | `labels` | `METRICS_LABELS=zone=b,tier=web` | none | more labels of every series |
//! | `metrics.enabled` | `METRICS_ENABLED` | `true` | whether metrics are served |
//! | `metrics.port` | `METRICS_PORT` | 9464 | 1 to 65535 |
//! | `metrics.path` | `METRICS_PATH` | `/metrics` | |
//! | `otel.metrics_enabled` | `OTEL_METRICS_ENABLED` | `true` | as `metrics.enabled`; both have to be true |
//! | `policy.allow`, `policy.deny` | `METRICS_ALLOW=http_*,up`, `METRICS_DENY` | everything | see [`MetricPolicy`] |
//! | `boundaries` | `METRICS_BOUNDARIES=wait=0.1,1;size=10` | those of the instruments | upper bounds of the buckets of a histogram, by its name |
//!
//! With the feature `victoria-metrics` also the settings of its `QueryProxy`:
//!
//! | file | environment | default | |
//! |---|---|---|---|
//! | `victoria_metrics.url` | `VICTORIAMETRICS_URL` | none | `http[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]` |
//! | `….user`, `….password`, `….bearer_token` | `VICTORIAMETRICS_USER`, `…_PASSWORD`, `…_BEARER_TOKEN` | none | unless the URL has them |
//! | `….timeout` | `VICTORIAMETRICS_TIMEOUT` | `30s` | 100ms to 1h |
//! | `….max_points` | `VICTORIAMETRICS_MAX_POINTS` | 11000 | 2 to 30000 points a series |
//! | `….max_in_flight` | `VICTORIAMETRICS_MAX_IN_FLIGHT` | 16 | 1 to 1024 queries at a time |
//! | `….max_answer_bytes` | `VICTORIAMETRICS_MAX_ANSWER_BYTES` | 67108864 | 1024 and more |
//! | `….services_window` | `VICTORIAMETRICS_SERVICES_WINDOW` | `1h` | 1m to 1y |
//! | `….cors_origins` | `VICTORIAMETRICS_CORS_ORIGINS=https://a.example,http://b:3000` | none | or `*` |
//!
//! A variable replaces the whole setting of the file. An empty variable counts as not set. A variable
//! that is not UTF-8 is an error if it is in the table; otherwise it is ignored.
//! `METRICS_PORT=tcp://10.0.0.1:8080` is ignored as well: Kubernetes sets it for a Service that is named
//! `metrics`. (`enableServiceLinks: false` in the pod's specification keeps such variables out.)
//!
//! An unknown key, a value of the wrong type or a value that is not allowed gives an error. It names the
//! file, the line, the key and what is allowed. It never contains URLs, users, passwords or tokens. These
//! must be strings: put a number in quotes.

mod environment;
mod error;
#[cfg(any(feature = "config-yaml", feature = "config-toml"))]
mod file;
#[cfg(any(feature = "config-yaml", feature = "config-toml"))]
mod file_error;
mod rules;
#[cfg(feature = "victoria-metrics")]
mod victoria_metrics;

pub use error::ConfigError;
#[cfg(any(feature = "config-yaml", feature = "config-toml"))]
pub use file::load;
#[cfg(feature = "victoria-metrics")]
pub use victoria_metrics::VictoriaMetricsConfig;

use crate::{ExporterBuilder, MetricPolicy, exporter::exporter::Exporter};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// All settings; see the [module](self).
///
/// ```
/// use asdlc_exporter::config::Config;
///
/// let config = Config::default();
/// assert!(config.is_enabled());
/// assert_eq!((config.metrics.port, config.metrics.path.as_str()), (9464, "/metrics"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Config {
    /// The label `service`; without it, what the program says.
    #[serde(deserialize_with = "rules::service")]
    pub service: Option<String>,
    /// The label `environment`.
    pub environment: Option<String>,
    /// The prefix of all names.
    #[serde(deserialize_with = "rules::namespace")]
    pub namespace: Option<String>,
    /// More labels of every series, in the order of their names.
    #[serde(deserialize_with = "rules::labels")]
    pub labels: BTreeMap<String, String>,
    /// Whether and where metrics are served.
    pub metrics: MetricsConfig,
    /// The other place where they can be switched off.
    pub otel: OtelConfig,
    /// Which families are served.
    pub policy: PolicyConfig,
    /// The boundaries of histograms by their name, for the program to look up with
    /// [`boundaries_of`](Self::boundaries_of).
    #[serde(deserialize_with = "rules::boundaries")]
    pub boundaries: BTreeMap<String, Vec<f64>>,
    /// The query proxy.
    #[cfg(feature = "victoria-metrics")]
    pub victoria_metrics: VictoriaMetricsConfig,
}

/// Whether and where metrics are served: `metrics: {enabled, port, path}`.
///
/// `PORT` is the port when there is none in the file. No file can say 0: `MetricsConfig<0>` tells a
/// service that chooses the port by other means whether the file has one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricsConfig<const PORT: u16 = 9464> {
    /// Whether metrics are served at all.
    pub enabled: bool,
    /// 1 to 65535, or else `PORT`.
    pub port: u16,
    /// Begins with `/`.
    pub path: String,
}

impl<const PORT: u16> Default for MetricsConfig<PORT> {
    fn default() -> Self {
        Self { enabled: true, port: PORT, path: "/metrics".to_owned() }
    }
}

impl<'de, const PORT: u16> Deserialize<'de> for MetricsConfig<PORT> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let MetricsSection { enabled, port, path } = MetricsSection::deserialize(from)?;
        Ok(Self { enabled, port: if port == 0 { PORT } else { port }, path })
    }
}

/// What serde can derive: it knows no constants as parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MetricsSection {
    enabled: bool,
    /// 0 when the file has none.
    #[serde(deserialize_with = "rules::port")]
    port: u16,
    #[serde(deserialize_with = "rules::path")]
    path: String,
}

impl Default for MetricsSection {
    fn default() -> Self {
        let MetricsConfig { enabled, port, path } = MetricsConfig::<0>::default();
        Self { enabled, port, path }
    }
}

/// The section `otel` of a service that keeps its switch there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct OtelConfig {
    /// Whether metrics are served.
    pub metrics_enabled: bool,
}

impl Default for OtelConfig {
    fn default() -> Self {
        Self { metrics_enabled: true }
    }
}

/// Which families are served, in the patterns of [`MetricPolicy`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct PolicyConfig {
    /// Only these; empty: all.
    pub allow: Vec<String>,
    /// Not these.
    pub deny: Vec<String>,
}

impl Config {
    /// Whether metrics are to be served: neither `metrics.enabled` nor `otel.metrics_enabled` is
    /// false. It is up to the program not to mount and not to listen then.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.metrics.enabled && self.otel.metrics_enabled
    }

    /// An exporter with the service name, namespace, labels and policy of this configuration;
    /// `service` is the name when there is none in it.
    pub fn exporter(&self, service: &str) -> ExporterBuilder {
        let mut builder = Exporter::builder(self.service.as_deref().unwrap_or(service));
        if let Some(namespace) = &self.namespace {
            builder = builder.with_namespace(namespace);
        }
        if let Some(environment) = &self.environment {
            builder = builder.with_constant_label("environment", environment);
        }
        for (key, value) in &self.labels {
            builder = builder.with_constant_label(key, value);
        }
        let PolicyConfig { allow, deny } = &self.policy;
        let policy = allow.iter().fold(MetricPolicy::new(), MetricPolicy::allow);
        builder.with_policy(deny.iter().fold(policy, MetricPolicy::deny))
    }

    /// The boundaries of the histogram of this name, or else these.
    ///
    /// ```
    /// use asdlc_exporter::{Exporter, config::Config};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let config = Config::default().with_environment([("METRICS_BOUNDARIES", "wait=0.1,1")])?;
    /// let exporter = config.exporter("shop").build()?;
    /// let wait = exporter
    ///     .meter()
    ///     .f64_histogram("wait")
    ///     .with_boundaries(config.boundaries_of("wait", &[0.5, 5.0]))
    ///     .build();
    /// # wait.record(0.2, &[]);
    /// # assert!(exporter.render()?.contains(r#"le="0.1""#));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn boundaries_of(&self, histogram: &str, default: &[f64]) -> Vec<f64> {
        self.boundaries.get(histogram).cloned().unwrap_or_else(|| default.to_vec())
    }
}
