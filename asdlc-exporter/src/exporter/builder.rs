use crate::{
    collect::{extra_reader::ExtraReader, reader::Reader, self_metrics::SelfMetrics},
    error::{BuildError, BuildErrorKind},
    exporter::{
        exporter::{Exporter, Limits, Parts},
        meters::{Meters, Panics},
        service_info,
        settings::{check_limits, constant_label_set, metric_prefix, resource},
    },
    exposition::render::Renderer,
    families::{
        policy::{MetricPolicy, Rules},
        registered::Registry,
        truncate::DEFAULT_VALUE_LEN,
    },
};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::{SdkMeterProvider, reader::MetricReader};
use std::time::{Duration, Instant, SystemTime};

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
#[derive(Clone, Debug)]
#[must_use = "an exporter exists once it is built"]
pub struct ExporterBuilder {
    service: String,
    namespace: Option<String>,
    constant_labels: Vec<(String, String)>,
    version: Option<String>,
    policy: MetricPolicy,
    registry: Option<Registry>,
    readers: Vec<ExtraReader>,
    limits: Limits,
    cardinality_limit: Option<usize>,
    max_label_value_len: usize,
    has_self_metrics: bool,
}

impl ExporterBuilder {
    pub(crate) fn new(service: String) -> Self {
        Self {
            service,
            namespace: None,
            constant_labels: Vec::new(),
            version: None,
            policy: MetricPolicy::default(),
            registry: None,
            readers: Vec::new(),
            limits: Limits::default(),
            cardinality_limit: None,
            max_label_value_len: DEFAULT_VALUE_LEN,
            has_self_metrics: false,
        }
    }

    /// Puts `namespace` and `_` before every metric name. Default: none.
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Adds a label to every series, behind `service` and in the order of the calls. One with an empty
    /// value is no label, as in Prometheus.
    ///
    /// An attribute that is recorded with the same key is served as `exported_<key>`.
    pub fn with_constant_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.constant_labels.push((key.into(), value.into()));
        self
    }

    /// Adds several labels to every series, or one that may be missing.
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

    /// How many series an instrument can have; what is recorded beyond them becomes one series with
    /// the label `otel_metric_overflow`. Default: the SDK's, which is 2000.
    ///
    /// Each instrument sets memory aside for so many series when it is created. Allowed: 1 to
    /// 10 000 000.
    pub fn with_cardinality_limit(mut self, series: usize) -> Self {
        self.cardinality_limit = Some(series);
        self
    }

    /// How many bytes a label value can have; longer ones are truncated. Default: 1024, which every
    /// scraper and backend takes. Allowed: 64 to 4096.
    ///
    /// A truncated value ends in `...` and a hash of the whole value, so that values with the same
    /// beginning stay different series. The exporter logs once for each family that its labels are
    /// truncated. `exporter_truncated_labels` of the [self-metrics](Self::with_self_metrics) counts them.
    /// Without this limit, one long value could lose the whole target: vmagent rejects a large answer
    /// that has a line of more than 256 KiB. For the same reason there are more limits:
    ///
    /// * label keys of more than 256 bytes are truncated in the same way;
    /// * labels of a series beyond 64 are left out, the last ones by key, and series that become equal
    ///   are merged;
    /// * values are truncated to 1024 bytes when those of a series have more than 128 KiB together;
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

    /// Also serves what other code registers in this registry.
    ///
    /// ```
    /// use asdlc_exporter::Exporter;
    /// use prometheus::{IntCounter, Registry};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let registry = Registry::new();
    /// let hits = IntCounter::new("cache_hits", "Answers from the cache.")?;
    /// registry.register(Box::new(hits.clone()))?;
    /// hits.inc();
    ///
    /// let exporter = Exporter::builder("shop").with_registry(registry).build()?;
    /// assert!(exporter.render()?.contains("cache_hits{service=\"shop\"} 1\n"));
    /// # Ok(()) }
    /// ```
    ///
    /// Its names are final: they get neither namespace nor suffix. Constant labels, label keys,
    /// merging and conflicts are as for recorded metrics, which come first; timestamps are left
    /// out. A collector that panics costs what this registry has, in this scrape. Default: none.
    #[cfg(feature = "prometheus")]
    pub fn with_registry(mut self, registry: Registry) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Gives the same metrics to a reader beside the scrapes, such as one that pushes them to a
    /// collector over OTLP. May be called for several. Default: none.
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
    /// // At the end of the service what is not pushed yet goes out, and scrapes are a 503 from here.
    /// // It waits for the push, which needs the runtime: not on one of its own threads.
    /// let shutdown = move || exporter.meter_provider().shutdown();
    /// let pushed = tokio::task::spawn_blocking(shutdown).await?;
    /// # drop(pushed);
    /// # Ok(()) }
    /// ```
    ///
    /// What a scrape says is the same with it and without. What the reader gets is the SDK's data:
    ///
    /// * names and units as the instruments have them, without namespace; the service, its version
    ///   and the constant labels as attributes of the resource (`service.name`, `service.version`,
    ///   `<key>`);
    /// * nothing that the [policy](Self::with_policy) denies, and nothing from the
    ///   registry of `with_registry`, which is not the SDK's;
    /// * from a [`Source`](crate::Source) the values of the last scrape: only scrapes ask it.
    ///
    /// Each reader has a storage of its own, with room for the
    /// [cardinality limit](Self::with_cardinality_limit), and every measurement goes into each: that
    /// much more memory, and that much more time in the recording path. The callbacks of observable
    /// instruments run for each reader, on its thread, perhaps at the same time, and observe for all
    /// readers: what one observes only sometimes may reach a reader in whose turn it did not. Observe
    /// a fixed set of attributes, as all of this crate do.
    pub fn with_reader(mut self, reader: impl MetricReader) -> Self {
        self.readers.push(ExtraReader::new(reader));
        self
    }

    /// The longest that a scrape over HTTP may take; later it is answered with status 503. Default:
    /// 10 seconds, which is how long a Prometheus server waits unless it is told otherwise.
    ///
    /// Allowed: 1 millisecond and more.
    ///
    /// A client may allow less with the header `X-Prometheus-Scrape-Timeout-Seconds`, as Prometheus
    /// servers do. This affects only this client, see [`ScrapeService`](crate::ScrapeService). The
    /// exporter answers earlier than the client allows, by a fifth of that time but at most by half a
    /// second, so that the answer arrives in time.
    pub fn with_scrape_timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// How many scrapes over HTTP may wait for their answers at the same time; more are answered
    /// with status 503 at once. Default: 128. Allowed: 1 and more.
    pub fn with_max_scrapes_in_flight(mut self, scrapes: usize) -> Self {
        self.limits.in_flight = scrapes;
        self
    }

    /// How long a [source](crate::Source) may take. Default: 1 second. Allowed: 1 millisecond and
    /// more.
    ///
    /// A client cannot change it. A scrape over HTTP waits for sources for at most half of its time, and
    /// then goes on with the values that are there.
    pub fn with_source_timeout(mut self, timeout: Duration) -> Self {
        self.limits.source_timeout = timeout;
        self
    }

    /// Also serves what the exporter measures about itself. Default: it does not.
    ///
    /// | family | type | meaning |
    /// |---|---|---|
    /// | `promhttp_metric_handler_requests_total{code}` | counter | scrapes by the status code of the answer; 405 is not a scrape |
    /// | `promhttp_metric_handler_requests_in_flight` | gauge | scrapes that wait for their answer |
    /// | `exporter_scrape_duration_seconds` | histogram | from the arrival of a scrape to its answer |
    /// | `exporter_response_bytes_total` | counter | bytes of the bodies of answers, as they were sent |
    /// | `exporter_series` | gauge | series in the last scrape of everything |
    /// | `exporter_dropped_metrics` | gauge | metrics that are not served because their names are taken |
    /// | `exporter_truncated_labels` | gauge | labels that were [too long or too many](Self::with_max_label_value_len) in the last scrape of everything |
    /// | `exporter_callback_panics_total` | counter | callbacks of observable instruments that panicked |
    /// | `exporter_source_up{source}` | gauge | 1 if the [source](crate::Source) brought its values when it was last asked, 0 if it panicked or was late; absent before the first |
    ///
    /// The first two are named as Go's `promhttp` names them, so that its dashboards and alerts
    /// hold. What a scrape is found to be shows in the next one. They have the namespace and the
    /// constant labels of all others.
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

    /// Builds the exporter; `uptime_seconds` counts from here.
    ///
    /// # Errors
    ///
    /// When the service name is empty, when the namespace or the key of a constant label is not
    /// made of ASCII letters, digits and `_`, begins with a digit or `__`, or has more than 256 bytes,
    /// and when a key is reserved (`service`, `le`, `quantile`) or given twice. When the service name
    /// or the value of a constant label is longer than
    /// [allowed](Self::with_max_label_value_len), or all constant labels have more than 32 KiB. When
    /// a limit is not what its method allows. And when a clone of this builder has been built with the
    /// same [reader](Self::with_reader).
    pub fn build(self) -> Result<Exporter, BuildError> {
        let Self {
            service,
            namespace,
            constant_labels,
            version,
            policy,
            registry,
            readers,
            limits,
            cardinality_limit,
            max_label_value_len,
            has_self_metrics,
        } = self;
        check_limits(limits, cardinality_limit, max_label_value_len)?;
        let rules =
            Rules::new(metric_prefix(namespace)?, policy).with_cardinality_limit(cardinality_limit);
        let resource = resource(&service, version.as_deref(), &constant_labels);
        let constant = constant_label_set(&service, constant_labels, max_label_value_len)?;
        let reader = Reader::default();
        let mut provider = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(reader.clone())
            .with_view(rules.clone().view());
        for extra in readers {
            if !extra.take() {
                return Err(BuildErrorKind::ReaderInUse.into());
            }
            provider = provider.with_reader(extra);
        }
        let provider = provider.build();
        let panics = Panics::default();
        let meters = Meters::new(provider.clone(), panics.clone());
        let meter = meters.meter(env!("CARGO_PKG_NAME"));
        service_info::register(&meter, version, Instant::now());
        let self_metrics = has_self_metrics.then(|| SelfMetrics::new(&meter, panics));
        Ok(Exporter::new(Parts {
            service,
            provider,
            meters,
            meter,
            reader,
            registry,
            renderer: Renderer::new(rules, constant, max_label_value_len),
            limits,
            self_metrics,
            start: SystemTime::now(),
        }))
    }
}
