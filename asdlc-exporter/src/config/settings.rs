//! The structure of the settings, and their defaults.

use super::rules;
#[cfg(feature = "victoria-metrics")]
use super::victoria_metrics::VictoriaMetricsConfig;
use crate::{ExporterBuilder, MetricPolicy, PrometheusReader, PrometheusReaderBuilder};
use serde::Deserialize;
use std::collections::BTreeMap;

/// All settings; see the [module](super).
///
/// ```
/// use asdlc_exporter::config::Config;
///
/// let config = Config::default();
/// assert!(config.is_enabled());
/// assert_eq!((config.metrics.port, config.metrics.path.as_str()), (None, "/metrics"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Config {
    /// The label `service`. If it is `None`, the program chooses the name, see
    /// [`exporter`](Self::exporter).
    #[serde(deserialize_with = "rules::service")]
    pub service: Option<String>,
    /// The label `environment`.
    pub environment: Option<String>,
    /// The prefix of all metric names.
    #[serde(deserialize_with = "rules::namespace")]
    pub namespace: Option<String>,
    /// More labels for every series.
    #[serde(deserialize_with = "rules::labels")]
    pub labels: BTreeMap<String, String>,
    /// Whether and where metrics are served.
    pub metrics: MetricsConfig,
    /// A second switch for metrics.
    pub otel: OtelConfig,
    /// Which metric families are served.
    pub policy: PolicyConfig,
    /// The boundaries of histograms by name. Programs read them with
    /// [`boundaries_of`](Self::boundaries_of).
    #[serde(deserialize_with = "rules::boundaries")]
    pub boundaries: BTreeMap<String, Vec<f64>>,
    /// The section of the query proxy.
    #[cfg(feature = "victoria-metrics")]
    pub victoria_metrics: VictoriaMetricsConfig,
}

/// Whether and where metrics are served: `metrics: {enabled, port, path}`.
///
/// If no port is configured, the program uses its own default port:
///
/// ```
/// use asdlc_exporter::config::MetricsConfig;
///
/// let metrics = MetricsConfig::default();
/// assert_eq!(metrics.port.unwrap_or(8080), 8080);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct MetricsConfig {
    /// Whether metrics are served at all.
    pub enabled: bool,
    /// 1 to 65535; `None` if it is not configured.
    #[serde(deserialize_with = "rules::port")]
    pub port: Option<u16>,
    /// Starts with `/`.
    #[serde(deserialize_with = "rules::path")]
    pub path: String,
}

impl MetricsConfig {
    /// The usual port of OpenTelemetry Prometheus exporters.
    pub const DEFAULT_PORT: u16 = 9464;
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { enabled: true, port: None, path: "/metrics".to_owned() }
    }
}

/// The section `otel: {metrics_enabled}`.
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

/// Which metric families are served: `policy: {allow, deny}`, with the patterns of [`MetricPolicy`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct PolicyConfig {
    /// Only these families are served. If it is empty, all are served.
    pub allow: Vec<String>,
    /// These families are not served.
    pub deny: Vec<String>,
}

impl Config {
    /// Whether metrics should be served: `metrics.enabled` and `otel.metrics_enabled` are both true. If
    /// this is false, the program must not add the route or start the server.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.metrics.enabled && self.otel.metrics_enabled
    }

    /// Creates a builder with the service name, namespace, labels and policy of this configuration.
    /// `service` is the name if the configuration has none.
    pub fn exporter(&self, service: &str) -> ExporterBuilder {
        let service = self.service.as_deref().unwrap_or(service);
        ExporterBuilder::new(service.to_owned(), self.prometheus_reader())
    }

    /// Creates a builder with the namespace, labels and policy of this configuration, for a reader of your
    /// own meter provider. The service name is not used: it belongs to the provider's resource.
    pub fn prometheus_reader(&self) -> PrometheusReaderBuilder {
        let environment = self.environment.iter().map(|name| ("environment", name));
        let mut builder = PrometheusReader::builder()
            .with_constant_labels(environment)
            .with_constant_labels(&self.labels);
        if let Some(namespace) = &self.namespace {
            builder = builder.with_namespace(namespace);
        }
        let PolicyConfig { allow, deny } = &self.policy;
        let policy = allow.iter().fold(MetricPolicy::new(), MetricPolicy::allow);
        builder.with_policy(deny.iter().fold(policy, MetricPolicy::deny))
    }

    /// The configured boundaries of the histogram with this name, or `default`.
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
