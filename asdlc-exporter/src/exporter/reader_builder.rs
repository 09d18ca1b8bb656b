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
        idle_timeout::IdleTimeout,
        limits::DEFAULT_VALUE_LEN,
        name::TranslationStrategy,
        native_histograms::NativeHistograms,
        policy::{MetricPolicy, NamePolicy},
        resource::ResourceSettings,
        scope_labels::ScopeLabels,
    },
    scrape::{ScrapeEndpoint, ScrapeLimits},
    unix_time::UnixTime,
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use std::{sync::Arc, time::Duration};

#[cfg(feature = "prometheus-client")]
use crate::PrometheusClientRegistry;

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

    /// Adds a label to every series, in the order of the calls. A label with an empty value is left out:
    /// in Prometheus, it is the same as no label.
    ///
    /// If an attribute has the same key, the attribute is served as `exported_<key>`.
    pub fn with_constant_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.constant_labels.push((key.into(), value.into()));
        self
    }

    /// Adds any number of labels to every series, for example an optional one.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let environment = std::env::var("ENVIRONMENT").ok();
    /// let prometheus = asdlc_exporter::PrometheusReader::builder()
    ///     .with_constant_labels(environment.map(|name| ("environment", name)))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    pub fn with_constant_labels<K: Into<String>, V: Into<String>>(
        self,
        labels: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        labels.into_iter().fold(self, |this, (key, value)| this.with_constant_label(key, value))
    }

    /// How the names of instruments become the names of families. Default:
    /// [`TranslationStrategy::UnderscoreEscapingWithSuffixes`].
    pub fn with_translation_strategy(mut self, strategy: TranslationStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Which labels of the instrumentation scope each recorded series has: `otel_scope_name`,
    /// `otel_scope_version`, `otel_scope_schema_url` and `otel_scope_<key>`. Default:
    /// [`ScopeLabels::ALL`].
    ///
    /// ```
    /// use asdlc_exporter::{PrometheusReader, ScopeLabels};
    /// use opentelemetry::metrics::MeterProvider as _;
    /// use opentelemetry_sdk::metrics::SdkMeterProvider;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let labels = ScopeLabels::ALL.without_version().without_schema_url();
    /// let prometheus = PrometheusReader::builder().with_scope_labels(labels).build()?;
    /// let provider = SdkMeterProvider::builder().with_reader(prometheus.clone()).build();
    /// provider.meter("payments").u64_counter("orders").build().add(1, &[]);
    /// assert!(prometheus.render()?.contains("orders_total{otel_scope_name=\"payments\"} 1\n"));
    /// # Ok(()) }
    /// ```
    pub fn with_scope_labels(mut self, labels: ScopeLabels) -> Self {
        self.scope_labels = labels;
        self
    }

    /// Adds attributes of the provider's resource as labels to every series, by their keys. Can be called
    /// several times. Default: none.
    ///
    /// ```
    /// use asdlc_exporter::{PrometheusReader, ScopeLabels};
    /// use opentelemetry::metrics::MeterProvider as _;
    /// use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let prometheus = PrometheusReader::builder()
    ///     .with_resource_labels(["service.name"])
    ///     .with_scope_labels(ScopeLabels::NONE)
    ///     .build()?;
    /// let resource = Resource::builder_empty().with_service_name("checkout").build();
    /// let provider = SdkMeterProvider::builder()
    ///     .with_resource(resource)
    ///     .with_reader(prometheus.clone())
    ///     .build();
    /// provider.meter("payments").u64_counter("orders").build().add(1, &[]);
    /// assert!(prometheus.render()?.contains("orders_total{service_name=\"checkout\"} 1\n"));
    /// # Ok(()) }
    /// ```
    ///
    /// They come after the constant labels, sorted by label. The rules are the same: an attribute of a
    /// measurement with such a label is served as `exported_<label>`, and an empty value is no label. If a
    /// constant label has the same key, the constant label is served, and the log has one warning. There is
    /// no label for an attribute that the resource does not have. The resource is read at the first scrape.
    ///
    /// `target_info` has these attributes too. Most users need no label of the resource: in queries,
    /// `* on (job, instance) group_left (service_name) target_info` adds it to the series of a target.
    pub fn with_resource_labels<K: Into<String>>(
        mut self,
        keys: impl IntoIterator<Item = K>,
    ) -> Self {
        self.resource.labels.extend(keys.into_iter().map(Into::into));
        self
    }

    /// Does not serve `target_info`, the gauge with the value 1 that has the attributes of the resource as
    /// labels. In `OpenMetrics`, it is an info.
    ///
    /// By default, it is served if the resource has attributes. It has neither the namespace nor the labels
    /// of a scope. An attribute with the key of a constant label is served as `exported_<label>`, unless
    /// both have the same value. While it is served, a recorded metric with the name `target_info` is not.
    pub fn without_target_info(mut self) -> Self {
        self.resource.has_target_info = false;
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

    /// How many bytes a label value can have. Longer values are truncated. Default: 1024, which every
    /// scraper and backend accepts. Allowed: 64 to 4096.
    ///
    /// A truncated value ends in `...` and a hash of the whole value, so that values with the same
    /// beginning stay different series. For each family with truncated labels, the exporter logs
    /// one warning. `exporter_truncated_labels` of the [self-metrics](Self::with_self_metrics)
    /// counts the labels. Without this limit, one long value could make a scraper drop the whole
    /// target: vmagent rejects a large response that has a line of more than 256 KiB. For the same
    /// reason there are more limits:
    ///
    /// * label keys of more than 256 bytes are truncated in the same way;
    /// * a series has at most 64 labels in addition to the constant labels and those of its scope: in the
    ///   order of the label keys, all labels after the 64th are left out, and series that become equal
    ///   are merged. The same applies to the labels of a scope, and to the attributes of the resource.
    ///   `VictoriaMetrics` keeps only 30 labels of a series by default (`-maxLabelsPerTimeseries`);
    /// * if the label values of a series have more than 128 KiB together, each of them is truncated
    ///   to 1024 bytes; those of a scope to 192 bytes, if they have more than 24 KiB;
    /// * help texts are truncated to 1024 bytes;
    /// * a metric whose name has more than 1024 bytes is not served.
    ///
    /// ```
    /// use asdlc_exporter::Exporter;
    /// use opentelemetry::KeyValue;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let exporter = Exporter::builder("shop").with_max_label_value_len(64).build()?;
    /// let jobs = exporter.meter().u64_counter("jobs").build();
    /// jobs.add(1, &[KeyValue::new("query", "x".repeat(1_000_000))]);
    /// let value = "x".repeat(45) + "...";
    /// assert!(exporter.render()?.contains(&format!(r#"jobs_total{{service="shop",query="{value}"#)));
    /// # Ok(()) }
    /// ```
    pub fn with_max_label_value_len(mut self, bytes: usize) -> Self {
        self.max_label_value_len = bytes;
        self
    }

    /// Also serves the metrics of this registry, for code that uses the crate `prometheus`. Can be called
    /// several times, also for registries of other crates. Default: none.
    ///
    /// ```
    /// use asdlc_exporter::Exporter;
    /// use prometheus::{IntCounter, Registry};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let registry = Registry::new();
    /// let hits = IntCounter::new("cache_hits", "Hits in the cache.")?;
    /// registry.register(Box::new(hits.clone()))?;
    /// hits.inc();
    ///
    /// let exporter = Exporter::builder("shop").with_registry(registry).build()?;
    /// assert!(exporter.render()?.contains("cache_hits{service=\"shop\"} 1\n"));
    /// # Ok(()) }
    /// ```
    ///
    /// Names in the registry get neither the namespace nor a suffix. Constant labels, label keys,
    /// merging and conflicts follow the same rules as for recorded metrics. If metrics of one scrape
    /// conflict, a recorded one is served rather than a registered one, and one of an earlier call
    /// rather than one of a later call. Timestamps are left out. If one collector of the registry
    /// panics, the scrape has no metrics of this registry, and the log has a warning.
    #[cfg(feature = "prometheus")]
    pub fn with_registry(mut self, registry: prometheus::Registry) -> Self {
        self.registries.push(registry.into());
        self
    }

    /// Also serves the metrics of this registry, for code that uses the crate `prometheus-client`. Can be
    /// called several times, also for registries of other crates. Default: none.
    ///
    /// ```
    /// use asdlc_exporter::{
    ///     Exporter,
    ///     prometheus_client::{metrics::counter::Counter, registry::Registry},
    /// };
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut registry = Registry::default();
    /// let hits: Counter = Counter::default();
    /// registry.register("cache_hits", "Hits in the cache", hits.clone());
    /// hits.inc();
    ///
    /// let exporter = Exporter::builder("shop").with_prometheus_client_registry(registry).build()?;
    /// assert!(exporter.render()?.contains("cache_hits_total{service=\"shop\"} 1\n"));
    /// # Ok(()) }
    /// ```
    ///
    /// Pass a `Registry` or an `Arc<Registry>` if all metrics are registered before. Pass an
    /// `Arc<Mutex<Registry>>` or an `Arc<RwLock<Registry>>` if code registers metrics later: the lock
    /// is held while a scrape reads the registry. [`PrometheusClientRegistry`] has a way for other
    /// locks, and for other versions of the crate.
    ///
    /// Names get no namespace. They have the unit, `_total` and `_info` as the crate's own text has
    /// them. Integers keep all their digits. Everything else is as for [metrics of a
    /// `prometheus::Registry`](#method.with_registry); exemplars are left out too. There are some
    /// differences:
    ///
    /// * A metric of type `unknown` is `untyped` in text format 0.0.4. For points that become one
    ///   series, the greatest value is served.
    /// * If a line of the crate's text cannot be read, only its metric is not served, and the log has
    ///   one warning. An example is a metric whose name has a space.
    /// * If the crate cannot encode a metric, the scrape has no metrics of this registry, and the log
    ///   has a warning. An example is a native histogram without classic buckets, which is not
    ///   possible in text formats.
    ///
    /// # Cost
    ///
    /// The crate gives access to its metrics only as text. So a scrape encodes this text and reads it
    /// before it writes the exposition. With 1 000 histogram series of 10 boundaries and 1 000 counter
    /// series of 4 labels, the crate's encoder executes 24.5 million instructions, the reading 12.2
    /// million, and the writing 5.6 million. A scrape of the same series of OpenTelemetry instruments
    /// takes 13.0 million. The benchmark is `benches/prometheus_client.rs`. The text, and what was read
    /// from it, stay in memory during the scrape.
    #[cfg(feature = "prometheus-client")]
    pub fn with_prometheus_client_registry(
        mut self,
        registry: impl Into<PrometheusClientRegistry>,
    ) -> Self {
        let registry: PrometheusClientRegistry = registry.into();
        self.registries.push(registry.into());
        self
    }

    /// How long a scrape over HTTP may take. After that, the response is a 503. If a client is still reading a
    /// [large exposition](crate::ScrapeService#large-expositions), the body ends with an error. Default: 10
    /// seconds, the default of Prometheus servers. Allowed: 1 millisecond and more.
    ///
    /// A client may allow less time with the header `X-Prometheus-Scrape-Timeout-Seconds`, which Prometheus
    /// servers send. This affects only this client, see [`ScrapeService`](crate::ScrapeService).
    /// The exporter responds before the client's timeout ends: earlier by a fifth of this timeout,
    /// but by at most half a second. So the response arrives in time.
    pub fn with_scrape_timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// How many scrapes over HTTP may wait at the same time. Each further scrape gets a 503 immediately. A
    /// scrape of a [large exposition](crate::ScrapeService#large-expositions) counts until its client has read
    /// the response. Default: 128. Allowed: 1 and more.
    pub fn with_max_scrapes_in_flight(mut self, scrapes: usize) -> Self {
        self.limits.max_in_flight = scrapes;
        self
    }

    /// How long a [source](crate::Source) may take. Default: 1 second. Allowed: 1 millisecond and
    /// more.
    ///
    /// A client cannot change it. A scrape over HTTP waits for sources for at most half of its time, and
    /// then continues with the values that were stored before.
    pub fn with_source_timeout(mut self, timeout: Duration) -> Self {
        self.source_timeout = timeout;
        self
    }

    /// No longer serves series whose value has not changed for this time. Default: off.
    ///
    /// ```
    /// use asdlc_exporter::PrometheusReader;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let prometheus = PrometheusReader::builder().with_idle_timeout(day).build()?;
    /// # Ok(()) }
    /// ```
    ///
    /// When the value changes again, the series starts as a new series would. [`IdleTimeout`] says what
    /// scrapers see, and can choose families. Allowed: 1 second and more.
    pub fn with_idle_timeout(mut self, timeout: impl Into<IdleTimeout>) -> Self {
        self.idle_timeout = Some(timeout.into());
        self
    }

    /// Also serves the start time of each series in `OpenMetrics`, as a line `_created`. Default: off. Protobuf
    /// always has the start times.
    ///
    /// ```
    /// use asdlc_exporter::{Format, PrometheusReader};
    /// use opentelemetry::metrics::MeterProvider as _;
    /// use opentelemetry_sdk::metrics::SdkMeterProvider;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let prometheus = PrometheusReader::builder().with_created_lines().build()?;
    /// let provider = SdkMeterProvider::builder().with_reader(prometheus.clone()).build();
    /// provider.meter("shop").u64_counter("orders").build().add(1, &[]);
    /// let text = prometheus.render_as(Format::OpenMetrics)?;
    /// assert!(text.lines().any(|line| line.starts_with("orders_created{")));
    /// # Ok(()) }
    /// ```
    ///
    /// The start time is the moment before which the series had no value. It is the time of the last collection
    /// without the series, by any scraper. For a series of the first collection, it is the time when this
    /// reader was built. The start is at least one second before the first collection with the series, if the
    /// reader existed then.
    ///
    /// With start times, a server counts what happened before the first scrape of a series. For example, five
    /// errors between two scrapes are an increase of 5. Without start times, a series that begins with 5 has
    /// no increase.
    ///
    /// Counters, histograms and summaries have a start time. `service_starts_total` has none, because it
    /// counts across restarts. A counter has no such line if `OpenMetrics` does not allow it to be a counter:
    /// its name does not end in `_total`, or another family has the name without `_total`.
    ///
    /// The lines are off by default because a server that does not use them stores each of them as a series.
    /// Prometheus uses them only with `--enable-feature=created-timestamp-zero-ingestion`. With this feature
    /// it prefers protobuf, and does not need these lines. So enable them only for servers that use start
    /// times and scrape `OpenMetrics`, for example because of `scrape_protocols`.
    ///
    /// * A callback may observe a count that began before this process, for example the bytes of a network
    ///   card since the machine was booted. Then the server finds an increase of the whole count at each
    ///   restart of the service. Observe such a count as a gauge, or subtract the first value.
    /// * The clocks of the service and of the server have to agree to about a second.
    pub fn with_created_lines(mut self) -> Self {
        self.has_created_lines = true;
        self
    }

    /// Also serves metrics about the exposition itself. Default: off.
    ///
    /// | family | type | meaning |
    /// |---|---|---|
    /// | `promhttp_metric_handler_requests_total{code}` | counter | scrapes by the status code of the response; a 405 does not count |
    /// | `promhttp_metric_handler_requests_in_flight` | gauge | scrapes that wait for their response, or read a streamed one |
    /// | `exporter_scrape_duration_seconds` | histogram | from the arrival of a scrape to its response, or to the end of a streamed one |
    /// | `exporter_response_bytes_total` | counter | bytes of response bodies after compression; of a streamed one, the bytes that the HTTP server took from the body |
    /// | `exporter_series` | gauge | series in the last scrape without a filter |
    /// | `exporter_dropped_metrics` | gauge | metrics that are not served: the name belongs to another metric, the name has more than 1024 bytes, or a registered metric has no type or cannot be read |
    /// | `exporter_truncated_labels` | gauge | labels that were [too long or too many](Self::with_max_label_value_len) in the last scrape without a filter |
    /// | `exporter_overflowing{metric}` | gauge | 1 if the family `metric` has reached a series limit: it has a series with the label `otel_metric_overflow`, in which further label sets are counted together. Absent before. The log has one warning for each family |
    /// | `exporter_callback_panics_total` | counter | callbacks that panicked, of meters that this reader [guards](PrometheusReader::guard) |
    /// | `exporter_source_up{source}` | gauge | 1 if the last run of the [source](crate::Source) refreshed its values, 0 if it panicked, was late or could not be started; absent before the first run has ended |
    ///
    /// The first two have the names that Go's `promhttp` uses, so that dashboards and alerts for
    /// `promhttp` work. What a scrape records of its status code, duration, bytes, series, dropped metrics,
    /// truncated labels and overflowing families is in the response to the next scrape. A scrape with a
    /// filter (`name[]`) finds only overflowing families of the filter. All families have the namespace
    /// and the constant labels.
    ///
    /// A [large exposition](crate::ScrapeService#large-expositions) is streamed. Such a scrape is counted when
    /// its body ends: completely, with an error, or because the client is gone. Its code is always 200, because
    /// this status was sent before the body.
    ///
    /// A meter provider inside this reader records them. So other readers do not get them.
    ///
    /// ```
    /// use asdlc_exporter::PrometheusReader;
    /// use opentelemetry_sdk::metrics::SdkMeterProvider;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let prometheus = PrometheusReader::builder().with_self_metrics().build()?;
    /// let provider = SdkMeterProvider::builder().with_reader(prometheus.clone()).build();
    /// assert!(prometheus.render()?.contains("promhttp_metric_handler_requests_total"));
    /// # Ok(()) }
    /// ```
    pub fn with_self_metrics(mut self) -> Self {
        self.has_self_metrics = true;
        self
    }

    /// Makes the histograms that match these patterns native histograms. Default: none.
    ///
    /// The meter provider decides how an instrument is recorded. So also add the view of this reader to it:
    ///
    /// ```
    /// use asdlc_exporter::PrometheusReader;
    /// use opentelemetry_sdk::metrics::SdkMeterProvider;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let prometheus =
    ///     PrometheusReader::builder().with_native_histograms(["*_duration_seconds"]).build()?;
    /// let provider = SdkMeterProvider::builder()
    ///     .with_reader(prometheus.clone())
    ///     .with_view(prometheus.native_histogram_view())
    ///     .build();
    /// # Ok(()) }
    /// ```
    ///
    /// [`NativeHistograms`] describes the patterns, what scrapers get, and the precision. A later call replaces
    /// the patterns. Without the view, a histogram that matches is served as a classic one, and the log has a
    /// warning. All exponential histograms are served as native ones, also if they match no pattern.
    pub fn with_native_histograms(mut self, histograms: impl Into<NativeHistograms>) -> Self {
        self.native_histograms = Some(histograms.into());
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
