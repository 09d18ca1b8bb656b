use crate::{
    error::{BuildError, BuildErrorKind},
    exporter::{
        environment::{
            error::EnvironmentError, resource::ResourceVariables, variables::Environment,
        },
        exporter::Exporter,
        reader_builder::{OfExporter, PrometheusReaderBuilder},
        service_info,
        settings::{check_max_series, merged, resource},
        view::Views,
    },
    families::{
        labels::scope_labels::ScopeLabels,
        names::{name::TranslationStrategy, policy::MetricPolicy},
        series::{idle_timeout::IdleTimeout, native_histograms::NativeHistograms},
    },
    meter_source::MeterSource as _,
};
use opentelemetry::{
    InstrumentationScope,
    metrics::{MeterProvider as _, NoopMeterProvider},
};
use opentelemetry_sdk::{
    Resource,
    metrics::{Instrument, MeterProviderBuilder, SdkMeterProvider, Stream, reader::MetricReader},
};
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
    /// The environment variable that has the name.
    service_variable: Option<&'static str>,
    has_service_label: bool,
    version: Option<String>,
    /// What is exposed, and how.
    pub(super) reader: PrometheusReaderBuilder,
    /// Has the reader first, and then the additional readers. The SDK shuts readers down in this order.
    provider: MeterProviderBuilder,
    resource: Option<Resource>,
    views: Views,
    max_series: Option<usize>,
}

impl ExporterBuilder {
    pub(crate) fn new(service: String, reader: PrometheusReaderBuilder) -> Self {
        let reader = reader.with_scope_labels(ScopeLabels::NONE).without_target_info();
        Self {
            service,
            service_variable: None,
            has_service_label: true,
            version: None,
            provider: SdkMeterProvider::builder().with_reader(reader.sdk_reader()),
            reader,
            resource: None,
            views: Views::default(),
            max_series: None,
        }
    }

    /// See [`Exporter::builder_from_env`].
    pub(crate) fn from_environment(
        service: String,
        environment: Environment<'_>,
    ) -> Result<Self, EnvironmentError> {
        let ResourceVariables { service_name, attributes } = environment.resource_variables()?;
        let (service, variable) = match service_name {
            Some((name, variable)) => (name, Some(variable)),
            None => (service, None),
        };
        let reader = PrometheusReaderBuilder::new().with_environment(environment)?;
        let mut builder = Self::new(service, reader);
        builder.service_variable = variable;
        builder.resource = Some(Resource::builder_empty().with_attributes(attributes).build());
        Ok(builder)
    }

    /// Prepends `namespace` and `_` to the name of every instrument. If `namespace` ends in `_`, no
    /// second `_` is added. Default: none.
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.reader = self.reader.with_namespace(namespace);
        self
    }

    /// Leaves out the label `service`, which every series has by default.
    ///
    /// For services whose scraper adds a label `service` itself, as the operators of Kubernetes do. The
    /// name of the service stays in the resource, as `service.name`.
    pub fn without_service_label(mut self) -> Self {
        self.has_service_label = false;
        self
    }

    /// Adds a label to every series, after `service` and in the order of the calls. A label with an
    /// empty value is left out: in Prometheus, it is the same as no label.
    ///
    /// If an attribute has the same key, the attribute is served as `exported_<key>`.
    pub fn with_constant_label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.reader = self.reader.with_constant_label(key, value);
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

    /// How the names of instruments become the names of families. Default:
    /// [`TranslationStrategy::UnderscoreEscapingWithSuffixes`].
    pub fn with_translation_strategy(mut self, strategy: TranslationStrategy) -> Self {
        self.reader = self.reader.with_translation_strategy(strategy);
        self
    }

    /// Which labels of the instrumentation scope each recorded series has. Default:
    /// [`ScopeLabels::NONE`].
    ///
    /// The scope of [`Exporter::meter`] has the name of the service, and its version.
    pub fn with_scope_labels(mut self, labels: ScopeLabels) -> Self {
        self.reader = self.reader.with_scope_labels(labels);
        self
    }

    /// Adds attributes of the [resource](Self::with_resource) as labels to every series, by their keys.
    /// Can be called several times. Default: none. See
    /// [`PrometheusReaderBuilder::with_resource_labels`].
    pub fn with_resource_labels<K: Into<String>>(
        mut self,
        keys: impl IntoIterator<Item = K>,
    ) -> Self {
        self.reader = self.reader.with_resource_labels(keys);
        self
    }

    /// Also serves `target_info`, a gauge with the value 1 that has the attributes of the
    /// [resource](Self::with_resource) as labels. Default: off. See
    /// [`PrometheusReaderBuilder::without_target_info`].
    ///
    /// ```
    /// use asdlc_exporter::Exporter;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let exporter = Exporter::builder("shop").with_version("1.2.3").with_target_info().build()?;
    /// assert!(exporter.render()?.contains(
    ///     r#"target_info{service="shop",service_name="shop",service_version="1.2.3"} 1"#
    /// ));
    /// # Ok(()) }
    /// ```
    pub fn with_target_info(mut self) -> Self {
        self.reader = self.reader.with_target_info();
        self
    }

    /// Serves `service_info{version}` = 1. Without a version there is no such metric.
    pub fn with_version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Serves only what the policy allows. Default: everything.
    ///
    /// An instrument that the policy denies records nothing. So additional readers do not get it either.
    pub fn with_policy(mut self, policy: MetricPolicy) -> Self {
        self.reader = self.reader.with_policy(policy);
        self
    }

    /// Adds a view, as [`MeterProviderBuilder::with_view`] does: it can rename an instrument, change its
    /// boundaries or its aggregation, or leave attributes out. Can be called several times.
    ///
    /// ```
    /// use asdlc_exporter::Exporter;
    /// use opentelemetry_sdk::metrics::{Aggregation, Instrument, Stream};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let wait = |instrument: &Instrument| {
    ///     let boundaries = vec![0.1, 1.0];
    ///     let buckets = Aggregation::ExplicitBucketHistogram { boundaries, record_min_max: false };
    ///     let stream = || Stream::builder().with_name("queue_wait").with_aggregation(buckets).build().ok();
    ///     (instrument.name() == "wait").then(stream).flatten()
    /// };
    /// let exporter = Exporter::builder("shop").with_view(wait).build()?;
    /// exporter.meter().f64_histogram("wait").with_unit("s").build().record(0.5, &[]);
    /// assert!(exporter.render()?.contains(r#"queue_wait_seconds_bucket{service="shop",le="1"} 1"#));
    /// # Ok(()) }
    /// ```
    ///
    /// As in the SDK, each view that matches adds a stream. The views do not see instruments that the
    /// [policy](Self::with_policy) denies by the instrument's name. The policy also acts on the names that
    /// the views give.
    pub fn with_view(
        mut self,
        view: impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static,
    ) -> Self {
        self.views.push(view);
        self
    }

    /// The resource of the meter provider, for example with the attributes of
    /// [`resource_from_env`](crate::resource_from_env). Can be called several times: the attributes of a
    /// later resource replace those of the same keys. Default: empty.
    ///
    /// The exporter adds `service.name`, `service.version` and the constant labels to it. They replace
    /// attributes of the same keys. Additional readers get the resource. It does not change what is served,
    /// except for [`target_info`](Self::with_target_info) and
    /// [resource labels](Self::with_resource_labels).
    pub fn with_resource(mut self, resource: Resource) -> Self {
        self.resource = Some(match self.resource {
            None => resource,
            Some(given) => merged(&given, &resource),
        });
        self
    }

    /// How many series an instrument can have (the SDK names this the cardinality limit). All label sets
    /// beyond it are recorded in one series with the label `otel_metric_overflow`. Default: the SDK's,
    /// which is 2000.
    ///
    /// A [view](Self::with_view) decides itself how many series its streams can have.
    ///
    /// Each instrument allocates memory for this number of series when it is created. Allowed: 1 to
    /// 10 000 000.
    pub fn with_max_series(mut self, series: usize) -> Self {
        self.max_series = Some(series);
        self
    }

    /// How many bytes a label value can have. Longer values are truncated. Default: 1024. Allowed: 64 to
    /// 4096. See [`PrometheusReaderBuilder::with_max_label_value_len`].
    pub fn with_max_label_value_len(mut self, bytes: usize) -> Self {
        self.reader = self.reader.with_max_label_value_len(bytes);
        self
    }

    /// Also serves the metrics of this registry, for code that uses the crate `prometheus`. Can be called
    /// several times. Default: none. See [`PrometheusReaderBuilder::with_registry`].
    #[cfg(feature = "prometheus")]
    pub fn with_registry(mut self, registry: prometheus::Registry) -> Self {
        self.reader = self.reader.with_registry(registry);
        self
    }

    /// Also serves the metrics of this registry, for code that uses the crate `prometheus-client`. Can be
    /// called several times. Default: none. See
    /// [`PrometheusReaderBuilder::with_prometheus_client_registry`].
    #[cfg(feature = "prometheus-client")]
    pub fn with_prometheus_client_registry(
        mut self,
        registry: impl Into<crate::PrometheusClientRegistry>,
    ) -> Self {
        self.reader = self.reader.with_prometheus_client_registry(registry);
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
    /// * no metrics that the [policy](Self::with_policy) denies, none of registries of other crates, and
    ///   no [self-metrics](Self::with_self_metrics);
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

    /// How long a scrape over HTTP may take. After that, the response is a 503, or the body of a [large
    /// exposition](crate::ScrapeService#large-expositions) ends with an error. Default: 10 seconds. Allowed:
    /// 1 millisecond and more. See [`PrometheusReaderBuilder::with_scrape_timeout`].
    pub fn with_scrape_timeout(mut self, timeout: Duration) -> Self {
        self.reader = self.reader.with_scrape_timeout(timeout);
        self
    }

    /// How many scrapes over HTTP may wait at the same time. Each further scrape gets a 503 immediately. A
    /// scrape of a [large exposition](crate::ScrapeService#large-expositions) counts until its client has read
    /// the response. Default: 128. Allowed: 1 and more.
    pub fn with_max_scrapes_in_flight(mut self, scrapes: usize) -> Self {
        self.reader = self.reader.with_max_scrapes_in_flight(scrapes);
        self
    }

    /// How long a [source](crate::Source) may take. Default: 1 second. Allowed: 1 millisecond and more.
    /// See [`PrometheusReaderBuilder::with_source_timeout`].
    pub fn with_source_timeout(mut self, timeout: Duration) -> Self {
        self.reader = self.reader.with_source_timeout(timeout);
        self
    }

    /// No longer serves series whose value has not changed for this time. Default: off.
    ///
    /// ```
    /// use asdlc_exporter::Exporter;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let exporter = Exporter::builder("shop").with_idle_timeout(day).build()?;
    /// # Ok(()) }
    /// ```
    ///
    /// When the value changes again, the series starts as a new series would. [`IdleTimeout`] says what
    /// scrapers see, and can choose families. Allowed: 1 second and more.
    pub fn with_idle_timeout(mut self, timeout: impl Into<IdleTimeout>) -> Self {
        self.reader = self.reader.with_idle_timeout(timeout);
        self
    }

    /// Records the histograms that match these patterns as native histograms. Default: none.
    ///
    /// ```
    /// use asdlc_exporter::Exporter;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let exporter = Exporter::builder("shop")
    ///     .with_native_histograms(["http_request_duration_seconds", "*_wait_seconds"])
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    ///
    /// [`NativeHistograms`] describes the patterns, what scrapers get, and the precision. A later call replaces
    /// the patterns. [Additional readers](Self::with_reader) get exponential histograms. If a view of
    /// [`with_view`](Self::with_view) matches an instrument, only this view applies: the histogram is native
    /// only if the view has the aggregation `Base2ExponentialHistogram`.
    pub fn with_native_histograms(mut self, histograms: impl Into<NativeHistograms>) -> Self {
        self.reader = self.reader.with_native_histograms(histograms);
        self
    }

    /// Also serves the start time of each series in `OpenMetrics`, as a line `_created`. Default: off. Protobuf
    /// always has the start times.
    ///
    /// ```
    /// use asdlc_exporter::{Exporter, Format};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let exporter = Exporter::builder("shop").with_created_lines().build()?;
    /// exporter.meter().u64_counter("orders").build().add(1, &[]);
    /// let text = exporter.render_as(Format::OpenMetrics)?;
    /// assert!(text.lines().any(|line| line.starts_with("orders_created{service=\"shop\"} ")));
    /// # Ok(()) }
    /// ```
    ///
    /// A server that does not use these lines stores each of them as a series. See
    /// [`PrometheusReaderBuilder::with_created_lines`] for their meaning, and for the servers that use them.
    pub fn with_created_lines(mut self) -> Self {
        self.reader = self.reader.with_created_lines();
        self
    }

    /// Also serves metrics about the exporter itself, such as `exporter_series`. Default: off. See
    /// [`PrometheusReaderBuilder::with_self_metrics`].
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
        self.reader = self.reader.with_self_metrics();
        self
    }

    /// Builds the exporter. `uptime_seconds` is the time since this call.
    ///
    /// # Errors
    ///
    /// * The service name is empty. Or it is a label, and longer than
    ///   [allowed](Self::with_max_label_value_len).
    /// * The key of a constant label is `service`, unless the exporter is built
    ///   [`without_service_label`](Self::without_service_label).
    /// * A setting that [`PrometheusReaderBuilder::build`] refuses.
    /// * The [series limit](Self::with_max_series) is not in the range that it allows.
    pub fn build(self) -> Result<Exporter, BuildError> {
        let Self {
            service,
            service_variable,
            has_service_label,
            version,
            reader,
            provider,
            resource: given,
            views,
            max_series,
        } = self;
        if service.is_empty() {
            return Err(BuildErrorKind::EmptyService.into());
        }
        check_max_series(max_series)?;
        let reader = if has_service_label { reader.with_service(service.clone()) } else { reader };
        let resource = resource(given, &service, version.as_deref(), reader.constant_labels());
        let policy = reader.name_policy()?;
        let is_disabled = reader.is_disabled();
        let provider = provider.with_resource(resource);
        let native = reader.native_view(policy.clone());
        let provider = views.add_to(provider, &policy, native, max_series).build();
        // Dropping the provider shuts its readers down. Without that, their threads would go on.
        let provider = if is_disabled { SdkMeterProvider::default() } else { provider };
        let of_exporter = OfExporter { provider: Some(provider.clone()), has_uptime: true };
        let reader =
            reader.build_for(of_exporter).map_err(|error| error.with_variable(service_variable))?;
        let guarded = if is_disabled {
            reader.guard(NoopMeterProvider::new())
        } else {
            reader.guard(provider.clone())
        };
        let own = guarded.to_meter();
        let scope = InstrumentationScope::builder(service.clone());
        let scope =
            version.iter().fold(scope, |scope, version| scope.with_version(version.clone()));
        let meter = guarded.meter_with_scope(scope.build());
        service_info::register(&own, version, Instant::now());
        Ok(Exporter::new(service, provider, guarded, meter, reader))
    }
}
