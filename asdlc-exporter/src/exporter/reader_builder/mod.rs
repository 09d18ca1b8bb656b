//! Takes the settings of a reader. Those of the names are here, `labels` has those of labels, `series` those of series,
//! `scrapes` those of scrapes, and `registries` the registries of other crates.

mod labels;
#[cfg(any(feature = "prometheus", feature = "prometheus-client"))]
mod registries;
mod scrapes;
mod series;

use crate::{
    collect::{
        collector::{Collector, OwnMetrics},
        reader::Reader,
    },
    error::BuildError,
    exporter::{
        environment::{error::EnvironmentError, variables::Environment},
        exemplars::ExemplarSettings,
        meters::CallbackPanics,
        prometheus_reader::PrometheusReader,
        settings::{
            check_idle_timeout, check_limits, check_native_histograms, check_resource_labels,
            constant_label_set, metric_prefix,
        },
        view::NativeView,
    },
    exposition::render::{RenderSettings, Renderer},
    families::{
        foreign::ForeignRegistry,
        labels::{resource::ResourceSettings, row_memory::RowLimits, scope_labels::ScopeLabels},
        limits::DEFAULT_VALUE_LEN,
        names::{
            name::TranslationStrategy,
            policy::{MetricPolicy, NamePolicy},
        },
        series::{idle_timeout::IdleTimeout, native_histograms::NativeHistograms},
    },
    scrape::{ScrapeEndpoint, ScrapeLimits},
    unix_time::UnixTime,
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use std::{sync::Arc, time::Duration};

/// Settings of a [`PrometheusReader`].
///
/// ```
/// use asdlc_exporter::PrometheusReader;
///
/// # fn main() -> Result<(), asdlc_exporter::BuildError> {
/// let prometheus = PrometheusReader::builder()
///     .with_namespace("shop")
///     .with_constant_label("environment", "production")
///     .with_self_metrics()
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "call `build` to get a reader"]
pub struct PrometheusReaderBuilder {
    reader: Reader,
    /// The value of the label `service`, for an exporter.
    service: Option<String>,
    namespace: Option<String>,
    constant_labels: Vec<(String, String)>,
    policy: MetricPolicy,
    strategy: TranslationStrategy,
    scope_labels: ScopeLabels,
    resource: ResourceSettings,
    registries: Vec<ForeignRegistry>,
    limits: ScrapeLimits,
    source_timeout: Duration,
    max_label_value_len: usize,
    has_self_metrics: bool,
    idle_timeout: Option<IdleTimeout>,
    native_histograms: Option<NativeHistograms>,
    has_created_lines: bool,
    pub(super) exemplars: ExemplarSettings,
}

/// What an exporter adds to the settings of its reader.
#[derive(Debug, Default)]
pub(crate) struct OfExporter {
    /// The provider that the scrape services keep alive.
    pub(crate) provider: Option<SdkMeterProvider>,
    /// Whether the exporter's own `uptime_seconds` must be collected at each scrape.
    pub(crate) has_uptime: bool,
}

impl PrometheusReaderBuilder {
    pub(crate) fn new() -> Self {
        Self {
            reader: Reader::default(),
            service: None,
            namespace: None,
            constant_labels: Vec::new(),
            policy: MetricPolicy::default(),
            strategy: TranslationStrategy::default(),
            scope_labels: ScopeLabels::ALL,
            resource: ResourceSettings { labels: Vec::new(), has_target_info: true },
            registries: Vec::new(),
            limits: ScrapeLimits::default(),
            source_timeout: Duration::from_secs(1),
            max_label_value_len: DEFAULT_VALUE_LEN,
            has_self_metrics: false,
            idle_timeout: None,
            native_histograms: None,
            has_created_lines: false,
            exemplars: ExemplarSettings::default(),
        }
    }

    /// Prepends `namespace` and `_` to the name of every instrument. If `namespace` ends in `_`, no
    /// second `_` is added. Default: none.
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// How the names of instruments become the names of families. Default:
    /// [`TranslationStrategy::UnderscoreEscapingWithSuffixes`].
    pub fn with_translation_strategy(mut self, strategy: TranslationStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Serves only what the policy allows. Default: everything.
    ///
    /// The policy acts on what this reader serves. It does not change what is recorded, or what other
    /// readers of the provider get: two readers can have different policies.
    pub fn with_policy(mut self, policy: MetricPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Builds the reader.
    ///
    /// # Errors
    ///
    /// * The namespace or the key of a constant label does not match `[a-zA-Z_][a-zA-Z0-9_]*`, starts with
    ///   `__`, or has more than 256 bytes.
    /// * The key of a constant label is `le` or `quantile`, starts with `otel_scope_`, or is given twice.
    /// * The label of a resource attribute would be such a key, or the attribute's key has more than 256
    ///   bytes.
    /// * The value of a constant label is longer than [allowed](Self::with_max_label_value_len), or all
    ///   constant labels together have more than 32 KiB.
    /// * A limit is not in the range that its method allows.
    pub fn build(self) -> Result<PrometheusReader, BuildError> {
        self.build_for(OfExporter::default())
    }

    pub(crate) fn build_for(
        self,
        OfExporter { provider, has_uptime }: OfExporter,
    ) -> Result<PrometheusReader, BuildError> {
        let policy = self.name_policy()?;
        let Self {
            reader,
            service,
            namespace: _,
            constant_labels,
            policy: _,
            strategy: _,
            scope_labels,
            resource,
            registries,
            limits,
            source_timeout,
            max_label_value_len,
            has_self_metrics,
            idle_timeout,
            native_histograms,
            has_created_lines,
            exemplars,
        } = self;
        let panics = CallbackPanics::default();
        check_limits(limits, source_timeout, max_label_value_len)?;
        check_idle_timeout(idle_timeout.as_ref())?;
        check_native_histograms(native_histograms.as_ref())?;
        let exemplars = exemplars.store()?.map(Arc::new);
        check_resource_labels(&resource.labels, policy.key_style())?;
        let may_be_empty = !has_uptime || !policy.serves_uptime();
        let native_view = NativeView::new(policy.clone(), native_histograms.clone());
        let renderer = Renderer::new(RenderSettings {
            policy,
            constant: constant_label_set(service, constant_labels, max_label_value_len)?,
            max_value_len: max_label_value_len,
            scope_labels,
            resource,
            may_be_empty,
            idle: idle_timeout,
            native: native_histograms,
            has_created_lines,
            exemplars: exemplars.clone(),
            row_limits: RowLimits::default(),
            built: UnixTime::now(),
        });
        let own = has_self_metrics.then(|| {
            let panics = panics.clone();
            OwnMetrics::new(move || panics.count())
        });
        let collector = Collector::new(reader.clone(), registries, renderer, source_timeout, own);
        let scrapes = ScrapeEndpoint::new(collector, limits, provider);
        Ok(PrometheusReader::new(reader, panics, scrapes, native_view, exemplars))
    }

    pub(crate) fn with_target_info(mut self) -> Self {
        self.resource.has_target_info = true;
        self
    }

    /// Reads `OTEL_SDK_DISABLED` and `OTEL_METRICS_EXEMPLAR_FILTER`.
    pub(crate) fn with_environment(
        mut self,
        environment: Environment<'_>,
    ) -> Result<Self, EnvironmentError> {
        if environment.is_sdk_disabled()? {
            self.reader.disable();
        }
        if let Some(filter) = environment.exemplar_filter()? {
            self.exemplars.filter = filter;
        }
        Ok(self)
    }

    pub(crate) fn is_disabled(&self) -> bool {
        self.reader.is_disabled()
    }

    /// Adds the label `service` before the other constant labels.
    pub(crate) fn with_service(mut self, service: String) -> Self {
        self.service = Some(service);
        self
    }

    /// The policy, with the namespace.
    pub(crate) fn name_policy(&self) -> Result<NamePolicy, BuildError> {
        let prefix = metric_prefix(self.namespace.clone())?;
        Ok(NamePolicy::new(prefix, self.policy.clone()).with_strategy(self.strategy))
    }

    /// The reader of the SDK, which the provider of an exporter gets. It does not own the provider, so
    /// they do not keep each other alive.
    pub(crate) fn sdk_reader(&self) -> Reader {
        self.reader.clone()
    }

    /// The view that makes the chosen histograms native.
    pub(crate) fn native_view(&self, policy: NamePolicy) -> NativeView {
        NativeView::new(policy, self.native_histograms.clone())
    }

    pub(crate) fn constant_labels(&self) -> &[(String, String)] {
        &self.constant_labels
    }
}
