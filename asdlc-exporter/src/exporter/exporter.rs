use crate::{
    collect::source::Source,
    error::ScrapeError,
    exporter::{
        builder::ExporterBuilder,
        environment::{error::EnvironmentError, variables::Environment},
        meters::GuardedMeterProvider,
        prometheus_reader::PrometheusReader,
    },
    exposition::format::Format,
    scrape::ScrapeService,
};
use opentelemetry::{
    InstrumentationScope,
    metrics::{Meter, MeterProvider},
};
use opentelemetry_sdk::{error::OTelSdkResult, metrics::SdkMeterProvider};
use std::{fmt, sync::Arc};

/// A meter provider, and the Prometheus exposition of what its meters record.
///
/// ```
/// use asdlc_exporter::Exporter;
/// use opentelemetry::KeyValue;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop").with_namespace("asdlc").build()?;
/// let orders = exporter.meter().u64_counter("orders").with_description("Orders taken.").build();
/// orders.add(1, &[KeyValue::new("paid", true)]);
///
/// let text = exporter.render()?;
/// assert!(text.contains("# HELP asdlc_orders_total Orders taken.\n# TYPE asdlc_orders_total counter\n"));
/// assert!(text.contains(r#"asdlc_orders_total{service="shop",paid="true"} 1"#));
/// # Ok(()) }
/// ```
///
/// Clones are cheap, and all clones are the same exporter. Nothing is global. The SDK shuts the
/// provider down when the last clone of the exporter, of its [reader](Self::reader), of its
/// [`ScrapeService`] and of its [meter provider](Self::meter_provider) is dropped.
#[derive(Clone)]
pub struct Exporter {
    parts: Arc<ExporterParts>,
}

struct ExporterParts {
    service: String,
    sdk: SdkMeterProvider,
    guarded: GuardedMeterProvider,
    meter: Meter,
    reader: PrometheusReader,
}

impl Exporter {
    /// Creates a builder for the service of this name. Every series has the name as its label `service`,
    /// unless [`without_service_label`](ExporterBuilder::without_service_label) is called.
    pub fn builder(service: impl Into<String>) -> ExporterBuilder {
        ExporterBuilder::new(service.into(), PrometheusReader::builder())
    }

    /// Creates a builder like [`builder`](Self::builder), with settings from the environment variables that
    /// OpenTelemetry specifies.
    ///
    /// ```
    /// use asdlc_exporter::Exporter;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let exporter = Exporter::builder_from_env("shop")?.with_version("1.2.3").build()?;
    /// # Ok(()) }
    /// ```
    ///
    /// | variable | value | default |
    /// |---|---|---|
    /// | `OTEL_SERVICE_NAME` | the name of the service | `service.name` of `OTEL_RESOURCE_ATTRIBUTES`, or else `service` |
    /// | `OTEL_RESOURCE_ATTRIBUTES` | `key1=value1,key2=value2`: attributes of the [resource](ExporterBuilder::with_resource); [`resource_from_env`] has the format | none |
    /// | `OTEL_SDK_DISABLED` | `true` or `false`, in any case | `false` |
    /// | `OTEL_METRICS_EXEMPLAR_FILTER` | which measurements become [exemplars](ExporterBuilder::with_exemplars): `always_on`, `always_off` or `trace_based`, in any case | `always_off` |
    ///
    /// An empty variable is the same as one that is not set. Settings of the builder replace those of the
    /// environment. The name is the exception: the environment replaces `service`.
    ///
    /// If `OTEL_SDK_DISABLED` is `true`, the meters of the exporter record nothing, no callback and no
    /// source runs, additional readers are shut down when the exporter is built, and each scrape is a 503
    /// ([`ScrapeError::is_disabled`]).
    ///
    /// [`resource_from_env`]: crate::resource_from_env
    ///
    /// # Errors
    ///
    /// When one of these variables has another value, or is not UTF-8.
    pub fn builder_from_env(
        service: impl Into<String>,
    ) -> Result<ExporterBuilder, EnvironmentError> {
        ExporterBuilder::from_environment(service.into(), Environment::of_process())
    }

    pub(crate) fn new(
        service: String,
        sdk: SdkMeterProvider,
        guarded: GuardedMeterProvider,
        meter: Meter,
        reader: PrometheusReader,
    ) -> Self {
        Self { parts: Arc::new(ExporterParts { service, sdk, guarded, meter, reader }) }
    }

    /// The meter to create instruments of the application with. Its scope has the name and the version of
    /// the service.
    ///
    /// If a callback of its observable instruments panics, only the metric of this callback is
    /// incomplete.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.parts.meter.clone()
    }

    /// The meter provider, to install it globally and for libraries that own a provider. For those that
    /// borrow one, the exporter itself is a [`MeterProvider`].
    ///
    /// ```
    /// use asdlc_exporter::Exporter;
    /// use opentelemetry::global;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let exporter = Exporter::builder("shop").build()?;
    /// global::set_meter_provider(exporter.meter_provider());
    ///
    /// global::meter("database").u64_counter("queries").build().add(1, &[]);
    /// assert!(exporter.render()?.contains("queries_total{service=\"shop\"} 1\n"));
    /// # Ok(()) }
    /// ```
    ///
    /// As with [`meter`](Self::meter), the panics of callbacks are caught. Metrics of the same name and
    /// kind are one family, whatever their scopes. If two metrics have the same name and different
    /// kinds, only the first one is served.
    #[must_use]
    pub fn meter_provider(&self) -> GuardedMeterProvider {
        self.parts.guarded.clone()
    }

    /// The SDK's meter provider, for functions that need this type.
    ///
    /// Prefer [`meter_provider`](Self::meter_provider): meters of the SDK's provider are not guarded.
    /// If one of their callbacks panics, no metrics can be collected any more, and every later scrape
    /// is a 503.
    #[must_use]
    pub fn sdk_meter_provider(&self) -> &SdkMeterProvider {
        &self.parts.sdk
    }

    /// Makes all [additional readers](ExporterBuilder::with_reader) push what they have not pushed
    /// yet, and waits for them.
    ///
    /// Scrapes need no flush: each collects the current values.
    ///
    /// # Errors
    ///
    /// When a reader fails or the provider is shut down.
    pub fn force_flush(&self) -> OTelSdkResult {
        self.sdk_meter_provider().force_flush()
    }

    /// Shuts the meter provider down, and waits until the
    /// [additional readers](ExporterBuilder::with_reader) have pushed for the last time. From the
    /// start of this call, every scrape is a 503.
    ///
    /// It can block. In an async service, call it with `tokio::task::spawn_blocking`.
    ///
    /// # Errors
    ///
    /// When a reader fails or the provider was shut down before.
    pub fn shutdown(&self) -> OTelSdkResult {
        self.sdk_meter_provider().shutdown()
    }

    /// The reader of this exporter, for functions that take a [`PrometheusReader`]. Clones of it keep the
    /// exporter's provider alive.
    #[must_use]
    pub fn reader(&self) -> &PrometheusReader {
        &self.parts.reader
    }

    /// The service that responds to scrapes.
    #[must_use]
    pub fn scrape_service(&self) -> ScrapeService {
        self.parts.reader.scrape_service()
    }

    /// Returns the current metrics in Prometheus text format 0.0.4. See [`PrometheusReader::render`].
    ///
    /// # Errors
    ///
    /// As [`PrometheusReader::render`].
    pub fn render(&self) -> Result<String, ScrapeError> {
        self.parts.reader.render()
    }

    /// Like [`render`](Self::render), but in this format.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render).
    pub fn render_as(&self, format: Format) -> Result<String, ScrapeError> {
        self.parts.reader.render_as(format)
    }

    /// Like [`render_as`](Self::render_as), but replaces the content of `bytes` by the metrics, as UTF-8 text.
    ///
    /// Use it to render repeatedly: allocating memory for a large exposition takes longer than writing it.
    ///
    /// ```
    /// # use asdlc_exporter::{Exporter, Format};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let exporter = Exporter::builder("shop").build()?;
    /// let mut bytes = Vec::new();
    /// for _ in 0..2 {
    ///     exporter.render_into(Format::Text, &mut bytes)?;
    ///     assert!(bytes.starts_with(b"# HELP"));
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render). If there is an error, `bytes` is empty.
    pub fn render_into(&self, format: Format, bytes: &mut Vec<u8>) -> Result<(), ScrapeError> {
        self.parts.reader.render_into(format, bytes)
    }

    /// Returns the current metrics in Prometheus' protobuf format. See
    /// [`PrometheusReader::render_protobuf`].
    ///
    /// ```
    /// # use asdlc_exporter::Exporter;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let exporter = Exporter::builder("shop").build()?;
    /// let bytes = exporter.render_protobuf()?;
    /// assert!(bytes.windows(14).any(|bytes| bytes == b"uptime_seconds"));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render).
    pub fn render_protobuf(&self) -> Result<Vec<u8>, ScrapeError> {
        self.parts.reader.render_protobuf()
    }

    /// Refreshes this source before each collection from now on.
    ///
    /// Add each source once: a source cannot be removed. `name` is used in the log and in the
    /// self-metrics. A source must not own the exporter, because the exporter owns the source: neither
    /// would ever be dropped. A source that owns instruments is fine.
    pub fn add_source(&self, name: impl Into<String>, source: impl Source) {
        self.parts.reader.add_source(name, source);
    }
}

/// Meters with other scopes than that of [`Exporter::meter`].
///
/// ```
/// use asdlc_exporter::Exporter;
/// use opentelemetry::metrics::MeterProvider;
///
/// fn instrument(provider: &impl MeterProvider) {
///     provider.meter("database").u64_counter("queries").build().add(1, &[]);
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop").build()?;
/// instrument(&exporter);
/// assert!(exporter.render()?.contains("queries_total{service=\"shop\"} 1\n"));
/// # Ok(()) }
/// ```
impl MeterProvider for Exporter {
    fn meter_with_scope(&self, scope: InstrumentationScope) -> Meter {
        self.parts.guarded.meter_with_scope(scope)
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("service", &self.parts.service).finish_non_exhaustive()
    }
}
