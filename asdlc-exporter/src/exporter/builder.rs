use crate::{
    collect::{collector::Collector, reader::Reader, self_metrics::SelfMetrics},
    error::BuildError,
    exporter::{
        exporter::Exporter,
        meters::GuardedMeterProvider,
        service_info,
        settings::{check_limits, constant_label_set, metric_prefix, resource},
        view::view,
    },
    exposition::render::{RenderSettings, Renderer},
    families::{
        limits::DEFAULT_VALUE_LEN,
        policy::{MetricPolicy, NamePolicy},
        registered::Registry,
    },
    scrape::{ScrapeEndpoint, ScrapeLimits},
};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::{MeterProviderBuilder, SdkMeterProvider, reader::MetricReader};
use std::time::{Duration, Instant};

/// Settings of an [`Exporter`].
///
/// ```
/// use asdlc_exporter::Exporter;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop")
///     .with_namespace("asdlc")
///     .with_constant_label("environment", "production")
///     .with_version("1.2.3")
///     .build()?;
/// assert!(
///     exporter.render()?.contains(
///         r#"asdlc_service_info{service="shop",environment="production",version="1.2.3"} 1"#
///     )
/// );
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "call `build` to get an exporter"]
pub struct ExporterBuilder {
    service: String,
    namespace: Option<String>,
    constant_labels: Vec<(String, String)>,
    version: Option<String>,
    policy: MetricPolicy,
    registry: Option<Registry>,
    reader: Reader,
    /// Has `reader` first, and then the additional readers. The SDK shuts readers down in this order.
    provider: MeterProviderBuilder,
    limits: ScrapeLimits,
    source_timeout: Duration,
    max_series: Option<usize>,
    max_label_value_len: usize,
    has_self_metrics: bool,
}

impl ExporterBuilder {
    pub(crate) fn new(service: String) -> Self {
        let reader = Reader::default();
        Self {
            service,
            namespace: None,
            constant_labels: Vec::new(),
            version: None,
            policy: MetricPolicy::default(),
            registry: None,
            reader: reader.clone(),
            provider: SdkMeterProvider::builder().with_reader(reader),
            limits: ScrapeLimits::default(),
            source_timeout: Duration::from_secs(1),
            max_series: None,
            max_label_value_len: DEFAULT_VALUE_LEN,
            has_self_metrics: false,
        }
    }

    /// Prepends `namespace` and `_` to the name of every instrument. If `namespace` ends in `_`, no
    /// second `_` is added. Default: none.
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Adds a label to every series, after `service` and in the order of the calls. A label with an
    /// empty value is left out: in Prometheus, it is the same as no label.
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
    /// let exporter = asdlc_exporter::Exporter::builder("shop")
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

    /// Serves `service_info{version}` = 1. Without a version there is no such metric.
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Serves only what the policy allows. Default: everything.
    pub fn with_policy(mut self, policy: MetricPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// How many series an instrument can have (the SDK names this the cardinality limit). All label sets
    /// beyond it are recorded in one series with the label `otel_metric_overflow`. Default: the SDK's,
    /// which is 2000.
    ///
    /// Each instrument allocates memory for this number of series when it is created. Allowed: 1 to
    /// 10 000 000.
    pub fn with_max_series(mut self, series: usize) -> Self {
        self.max_series = Some(series);
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
    /// * a series has at most 64 labels in addition to the constant labels: in the order of the
    ///   label keys, all labels after the 64th are left out, and series that become equal are
    ///   merged;
    /// * if the label values of a series have more than 128 KiB together, each of them is truncated
    ///   to 1024 bytes;
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

    /// Also serves the metrics of this registry, for code that uses the crate `prometheus`.
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
    /// merging and conflicts follow the same rules as for recorded metrics. If a recorded and a
    /// registered metric of one scrape conflict, the recorded one is served. Timestamps are left
    /// out. If one collector of the registry panics, the scrape has no metrics of the registry at
    /// all. Default: none.
    #[cfg(feature = "prometheus")]
    pub fn with_registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Adds a reader that gets the same metrics, for example one that pushes them over OTLP. Can be called
    /// several times. Default: none.
    ///
    /// ```
    /// use asdlc_exporter::Exporter;
    /// use opentelemetry_otlp::{MetricExporter, WithExportConfig as _};
    /// use opentelemetry_sdk::metrics::PeriodicReader;
    /// use std::time::Duration;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let otlp = MetricExporter::builder()
    ///     .with_tonic()
    ///     .with_endpoint("http://127.0.0.1:4317")
    ///     .build()?;
    /// let push = PeriodicReader::builder(otlp).with_interval(Duration::from_secs(15)).build();
    ///
    /// let exporter = Exporter::builder("shop").with_reader(push).build()?;
    /// exporter.meter().u64_counter("orders").build().add(1, &[]);
    /// assert!(exporter.render()?.contains("orders_total{service=\"shop\"} 1\n"));
    ///
    /// // At the end of the service. From here on, every scrape is a 503. The reader pushes for the
    /// // last time. `shutdown` blocks its thread, and the push needs a worker thread of the
    /// // runtime. So `shutdown` runs on a blocking thread.
    /// let pushed = tokio::task::spawn_blocking(move || exporter.shutdown()).await?;
    /// # drop(pushed);
    /// # Ok(()) }
    /// ```
    ///
    /// Scrapes do not change if there is an additional reader. The reader gets the SDK's data:
    ///
    /// * names and units as the instruments have them, without the namespace; the service, its version
    ///   and the constant labels as attributes of the resource (`service.name`, `service.version`,
    ///   `<key>`);
    /// * no metrics that the [policy](Self::with_policy) denies, and none of the
    ///   registry of `with_registry`;
    /// * from a [`Source`](crate::Source), the values that the last scrape stored: only scrapes refresh it.
    ///
    /// Each reader has its own storage, for as many series as the [series limit](Self::with_max_series)
    /// allows, and each measurement is recorded in each storage. This takes more memory, and more time for
    /// each measurement.
    ///
    /// The callbacks of observable instruments run once for each reader, on its thread, perhaps at the
    /// same time. A value that a callback observes is stored for all readers. So a reader can miss
    /// attributes that the callback does not observe every time. Always observe the same attributes, as
    /// all callbacks of this crate do.
    pub fn with_reader(mut self, reader: impl MetricReader) -> Self {
        self.provider = self.provider.with_reader(reader);
        self
    }

    /// How long a scrape over HTTP may take. After that, the response is a 503. Default: 10 seconds, the
    /// default of Prometheus servers. Allowed: 1 millisecond and more.
    ///
    /// A client may allow less time with the header `X-Prometheus-Scrape-Timeout-Seconds`, which Prometheus
    /// servers send. This affects only this client, see [`ScrapeService`](crate::ScrapeService).
    /// The exporter responds before the client's timeout ends: earlier by a fifth of this timeout,
    /// but by at most half a second. So the response arrives in time.
    pub fn with_scrape_timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// How many scrapes over HTTP may wait at the same time. Each further scrape gets a 503 immediately.
    /// Default: 128. Allowed: 1 and more.
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

    /// Also serves metrics about the exporter itself. Default: off.
    ///
    /// | family | type | meaning |
    /// |---|---|---|
    /// | `promhttp_metric_handler_requests_total{code}` | counter | scrapes by the status code of the response; a 405 does not count |
    /// | `promhttp_metric_handler_requests_in_flight` | gauge | scrapes that wait for their response |
    /// | `exporter_scrape_duration_seconds` | histogram | from the arrival of a scrape to its response |
    /// | `exporter_response_bytes_total` | counter | bytes of response bodies, compressed if they were sent compressed |
    /// | `exporter_series` | gauge | series in the last scrape without a filter |
    /// | `exporter_dropped_metrics` | gauge | metrics that are not served: the name belongs to another metric, the name has more than 1024 bytes, or a registered metric has no type |
    /// | `exporter_truncated_labels` | gauge | labels that were [too long or too many](Self::with_max_label_value_len) in the last scrape without a filter |
    /// | `exporter_callback_panics_total` | counter | callbacks of observable instruments that panicked |
    /// | `exporter_source_up{source}` | gauge | 1 if the last run of the [source](crate::Source) refreshed its values, 0 if it panicked, was late or could not be started; absent before the first run has ended |
    ///
    /// The first two have the names that Go's `promhttp` uses, so that dashboards and alerts for
    /// `promhttp` work. The next scrape serves the status code, duration, bytes, series, dropped
    /// metrics and truncated labels of a scrape. All families have the namespace and the constant
    /// labels.
    ///
    /// ```
    /// use asdlc_exporter::Exporter;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let exporter = Exporter::builder("shop").with_self_metrics().build()?;
    /// let text = exporter.render()?;
    /// assert!(text.contains(r#"promhttp_metric_handler_requests_total{service="shop",code="503"} 0"#));
    /// # Ok(()) }
    /// ```
    pub fn with_self_metrics(mut self) -> Self {
        self.has_self_metrics = true;
        self
    }

    /// Builds the exporter. `uptime_seconds` is the time since this call.
    ///
    /// # Errors
    ///
    /// * The service name is empty or longer than [allowed](Self::with_max_label_value_len).
    /// * The namespace or the key of a constant label does not match `[a-zA-Z_][a-zA-Z0-9_]*`, starts with
    ///   `__`, or has more than 256 bytes.
    /// * The key of a constant label is `service`, `le` or `quantile`, or is given twice.
    /// * The value of a constant label is longer than [allowed](Self::with_max_label_value_len), or all
    ///   constant labels together have more than 32 KiB.
    /// * A limit is not in the range that its method allows.
    pub fn build(self) -> Result<Exporter, BuildError> {
        let Self {
            service,
            namespace,
            constant_labels,
            version,
            policy,
            registry,
            reader,
            provider,
            limits,
            source_timeout,
            max_series,
            max_label_value_len,
            has_self_metrics,
        } = self;
        check_limits(limits, source_timeout, max_series, max_label_value_len)?;
        let policy = NamePolicy::new(metric_prefix(namespace)?, policy);
        let resource = resource(&service, version.as_deref(), &constant_labels);
        let constant = constant_label_set(&service, constant_labels, max_label_value_len)?;
        let sdk_provider =
            provider.with_resource(resource).with_view(view(policy.clone(), max_series)).build();
        let provider = GuardedMeterProvider::new(sdk_provider.clone());
        let meter = provider.meter(env!("CARGO_PKG_NAME"));
        service_info::register(&meter, version, Instant::now());
        let self_metrics = has_self_metrics.then(|| {
            let panics = provider.callback_panics();
            SelfMetrics::new(&meter, move || panics.count())
        });
        let max_value_len = max_label_value_len;
        let renderer = Renderer::new(RenderSettings {
            policy,
            constant,
            max_value_len,
            ..RenderSettings::default()
        });
        let collector = Collector::new(reader, registry, renderer, source_timeout, self_metrics);
        let scrapes = ScrapeEndpoint::new(collector, limits, sdk_provider);
        Ok(Exporter::new(service, provider, meter, scrapes))
    }
}
