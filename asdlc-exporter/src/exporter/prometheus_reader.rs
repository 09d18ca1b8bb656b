use crate::{
    collect::{collector::Collector, reader::Reader, source::Source},
    error::ScrapeError,
    exemplars::store::ExemplarStore,
    exporter::{
        environment::{error::EnvironmentError, variables::Environment},
        meters::{CallbackPanics, GuardedMeterProvider},
        reader_builder::PrometheusReaderBuilder,
        view::NativeView,
    },
    exposition::{
        format::{Format, Output},
        render::{Query, Rendered},
    },
    scrape::{ScrapeEndpoint, ScrapeService},
};
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        Instrument, InstrumentKind, Pipeline, Stream, Temporality, data::ResourceMetrics,
        reader::MetricReader,
    },
};
use std::{
    fmt, mem,
    sync::{Arc, Weak},
    time::Duration,
};

/// A reader for your own meter provider. It serves what the provider's meters record, in Prometheus
/// formats.
///
/// ```
/// use asdlc_exporter::PrometheusReader;
/// use axum::Router;
/// use opentelemetry::metrics::MeterProvider as _;
/// use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let prometheus = PrometheusReader::builder().with_namespace("shop").build()?;
/// let provider = SdkMeterProvider::builder()
///     .with_resource(Resource::builder().with_service_name("checkout").build())
///     .with_reader(prometheus.clone())
///     .build();
/// let app: Router = Router::new().route_service("/metrics", prometheus.scrape_service());
///
/// provider.meter("orders").u64_counter("orders").build().add(1, &[]);
/// assert!(prometheus.render()?.contains("# TYPE shop_orders_total counter\n"));
/// # Ok(()) }
/// ```
///
/// The reader does not change the views, the resource or the other readers of the provider. Two such
/// readers, with different settings, can belong to one provider. Clones are cheap, and all clones are the same reader.
/// A reader belongs to one provider: the first that it is added to. If it is added to another one, it
/// logs a warning and does not serve the metrics of that provider.
///
/// If you have no provider yet, [`Exporter`](crate::Exporter) is shorter: it is a provider with such a
/// reader.
///
/// # The life of the provider
///
/// The reader does not keep the provider alive (except the
/// [reader of an `Exporter`](crate::Exporter::reader)). After the provider was shut down, or its last clone
/// was dropped, each scrape is a 503.
///
/// # Callbacks that panic
///
/// The SDK holds locks while it runs the callbacks of observable instruments. If a callback panics
/// during a collection, these locks stay poisoned: from then on, each scrape is a 503 until the process
/// restarts ([`ScrapeError::is_callback_panic`]). Meters of [`guard`](Self::guard) and of
/// [`GuardedMeterProvider`] catch these panics.
///
/// # Specification
///
/// The reader implements two sections of the OpenTelemetry specification: the metrics exporter for
/// Prometheus, and the compatibility with Prometheus. `docs/conformance.md` in the repository lists each
/// requirement.
#[derive(Clone)]
pub struct PrometheusReader {
    reader: Reader,
    panics: CallbackPanics,
    scrapes: Arc<ScrapeEndpoint>,
    native_view: Arc<NativeView>,
    exemplars: Option<Arc<ExemplarStore>>,
}

impl PrometheusReader {
    /// Creates a builder. All its settings are optional.
    pub fn builder() -> PrometheusReaderBuilder {
        PrometheusReaderBuilder::new()
    }

    /// Creates a builder like [`builder`](Self::builder), with settings from environment variables that
    /// OpenTelemetry specifies.
    ///
    /// ```
    /// use asdlc_exporter::PrometheusReader;
    /// use opentelemetry_sdk::metrics::SdkMeterProvider;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let prometheus = PrometheusReader::builder_from_env()?.with_namespace("shop").build()?;
    /// let provider = SdkMeterProvider::builder()
    ///     .with_resource(asdlc_exporter::resource_from_env()?)
    ///     .with_reader(prometheus.clone())
    ///     .build();
    /// # Ok(()) }
    /// ```
    ///
    /// | variable | value | default |
    /// |---|---|---|
    /// | `OTEL_SDK_DISABLED` | `true` or `false`, in any case. With `true`, each scrape is a 503 ([`ScrapeError::is_disabled`]), and this reader runs no callback and no source. The provider is yours: it still records, and its other readers collect | `false` |
    /// | `OTEL_METRICS_EXEMPLAR_FILTER` | which measurements become [exemplars](PrometheusReaderBuilder::with_exemplars): `always_on`, `always_off` or `trace_based`, in any case | `always_off` |
    ///
    /// An empty variable is the same as one that is not set.
    ///
    /// # Errors
    ///
    /// When one of these variables has another value, or is not UTF-8.
    pub fn builder_from_env() -> Result<PrometheusReaderBuilder, EnvironmentError> {
        PrometheusReaderBuilder::new().with_environment(Environment::of_process())
    }

    pub(crate) fn new(
        reader: Reader,
        panics: CallbackPanics,
        scrapes: ScrapeEndpoint,
        native_view: NativeView,
        exemplars: Option<Arc<ExemplarStore>>,
    ) -> Self {
        let (scrapes, native_view) = (Arc::new(scrapes), Arc::new(native_view));
        Self { reader, panics, scrapes, native_view, exemplars }
    }

    /// The service that responds to scrapes.
    #[must_use]
    pub fn scrape_service(&self) -> ScrapeService {
        ScrapeService::new(Arc::clone(&self.scrapes))
    }

    /// A view for the provider of this reader. With it, the provider records the histograms that match
    /// [`with_native_histograms`](PrometheusReaderBuilder::with_native_histograms) as exponential histograms, for
    /// all its readers. Without that setting, the view matches nothing.
    ///
    /// As in the SDK, each view that matches adds a stream. If another view of your provider matches the same
    /// instrument, the instrument is recorded twice, and only one of the two streams is served. For such an
    /// instrument, set `Aggregation::Base2ExponentialHistogram` in your own view, and use patterns that do not
    /// match it.
    pub fn native_histogram_view(
        &self,
    ) -> impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static + use<> {
        let view = Arc::clone(&self.native_view);
        move |instrument| view.stream(instrument)
    }

    /// Guards the meters of a provider: if a callback of its observable instruments panics, only the
    /// metric of this callback is incomplete.
    ///
    /// ```
    /// use asdlc_exporter::PrometheusReader;
    /// use opentelemetry::{global, metrics::MeterProvider as _};
    /// use opentelemetry_sdk::metrics::SdkMeterProvider;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let prometheus = PrometheusReader::builder().with_self_metrics().build()?;
    /// let provider = SdkMeterProvider::builder().with_reader(prometheus.clone()).build();
    /// global::set_meter_provider(prometheus.guard(provider.clone()));
    ///
    /// let meter = global::meter("database");
    /// meter.u64_observable_gauge("broken").with_callback(|_| panic!("no database")).build();
    /// # std::panic::set_hook(Box::new(|_| {}));
    /// assert!(prometheus.render()?.contains("exporter_callback_panics_total"));
    /// # Ok(()) }
    /// ```
    ///
    /// This does the same as [`GuardedMeterProvider::new`]. In addition, the
    /// [self-metrics](PrometheusReaderBuilder::with_self_metrics) of this reader count the panics in
    /// `exporter_callback_panics_total`, and the meters record the
    /// [exemplars](PrometheusReaderBuilder::with_exemplars) of this reader.
    #[must_use]
    pub fn guard(
        &self,
        provider: impl MeterProvider + Send + Sync + 'static,
    ) -> GuardedMeterProvider {
        GuardedMeterProvider::with(provider, self.panics.clone(), self.exemplars.clone())
    }

    /// Returns the current metrics in Prometheus text format 0.0.4.
    ///
    /// Waits until the sources are refreshed. Then collects and writes on the calling thread.
    /// Concurrent calls wait for each other, and for a scrape that is being written. While a call waits, a
    /// [large exposition](crate::ScrapeService#large-expositions) is written without waiting for its clients: all
    /// that they have not read yet is kept in memory.
    ///
    /// Do not call it in the callback of an observable instrument: it runs the callbacks, so it would wait for
    /// itself.
    ///
    /// # Errors
    ///
    /// * The provider is shut down or dropped, or the reader belongs to no provider.
    /// * `OTEL_SDK_DISABLED` is `true`; see [`builder_from_env`](Self::builder_from_env).
    /// * A callback of an unguarded meter panicked in this call or an earlier one.
    /// * Nothing was collected, although there must be a metric: an [`Exporter`](crate::Exporter) always
    ///   has its own `uptime_seconds`, unless its policy denies it. So metrics were lost.
    pub fn render(&self) -> Result<String, ScrapeError> {
        self.render_as(Format::Text)
    }

    /// Like [`render`](Self::render), but in this format.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render).
    pub fn render_as(&self, format: Format) -> Result<String, ScrapeError> {
        Ok(self.rendered(format.into(), Vec::new())?.into_text())
    }

    /// Like [`render_as`](Self::render_as), but replaces the content of `bytes` by the metrics, as UTF-8 text.
    ///
    /// It reuses the memory of `bytes`. Use it to render repeatedly: allocating memory for a large exposition
    /// takes longer than writing it.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render). If there is an error, `bytes` is empty.
    pub fn render_into(&self, format: Format, bytes: &mut Vec<u8>) -> Result<(), ScrapeError> {
        *bytes = self.rendered(format.into(), mem::take(bytes))?.bytes;
        Ok(())
    }

    /// Returns the current metrics in Prometheus' protobuf format: messages
    /// [`io.prometheus.client.MetricFamily`], each with its length as a varint before it. Names are in UTF-8.
    ///
    /// ```
    /// # use asdlc_exporter::Exporter;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let exporter = Exporter::builder("shop").build()?;
    /// exporter.meter().u64_counter("orders").build().add(1, &[]);
    /// let bytes = exporter.render_protobuf()?;
    /// assert!(bytes.windows(12).any(|bytes| bytes == b"orders_total"));
    /// # Ok(()) }
    /// ```
    ///
    /// [`io.prometheus.client.MetricFamily`]: https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render).
    pub fn render_protobuf(&self) -> Result<Vec<u8>, ScrapeError> {
        Ok(self.rendered(Output::PROTOBUF, Vec::new())?.bytes)
    }

    /// Refreshes this source before each collection of this reader from now on.
    ///
    /// Add each source once: a source cannot be removed. `name` is used in the log and in the
    /// self-metrics. A source must not own the reader or the meter provider, because these own the
    /// source: none of them would ever be dropped. A source that owns instruments is fine.
    pub fn add_source(&self, name: impl Into<String>, source: impl Source) {
        self.collector().add_source(name.into(), source);
    }

    fn rendered(&self, output: Output, spare: Vec<u8>) -> Result<Rendered, ScrapeError> {
        self.collector().check_enabled()?;
        self.collector().refresh_sources();
        let query = Query::all(output);
        self.collector().collect(|snapshot| snapshot.write(&query, spare, None))?
    }

    fn collector(&self) -> &Collector {
        self.scrapes.collector()
    }
}

impl MetricReader for PrometheusReader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.reader.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.reader.collect(metrics)
    }

    /// Does nothing: each scrape collects the current values.
    fn force_flush(&self) -> OTelSdkResult {
        self.reader.force_flush()
    }

    /// From the start of this call, each scrape is a 503. If the reader was added to several providers, only
    /// the last of these calls does this.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.reader.shutdown_with_timeout(timeout)
    }

    /// Always cumulative, as Prometheus needs it.
    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.reader.temporality(kind)
    }
}

impl fmt::Debug for PrometheusReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusReader").finish_non_exhaustive()
    }
}
