//! The settings of exemplars, of both builders.

use crate::{
    error::{BuildError, BuildErrorKind},
    exemplars::{filter::ExemplarFilter, store::ExemplarStore},
    exporter::{builder::ExporterBuilder, reader_builder::PrometheusReaderBuilder},
};
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct ExemplarSettings {
    pub(super) filter: ExemplarFilter,
    max_age: Duration,
}

impl Default for ExemplarSettings {
    fn default() -> Self {
        Self { filter: ExemplarFilter::AlwaysOff, max_age: Duration::from_secs(5 * 60) }
    }
}

impl ExemplarSettings {
    /// `None` if there are no exemplars.
    ///
    /// # Errors
    ///
    /// If the maximum age is below 1 s.
    pub(super) fn store(self) -> Result<Option<ExemplarStore>, BuildError> {
        let Self { filter, max_age } = self;
        if max_age < MIN_MAX_AGE {
            return Err(BuildErrorKind::ExemplarMaxAge(max_age).into());
        }
        let is_on = filter != ExemplarFilter::AlwaysOff;
        Ok(is_on.then(|| ExemplarStore::new(filter, max_age)))
    }
}

impl ExporterBuilder {
    /// Records exemplars: single measurements with the ids of the trace and the span in which they were made. So a slow
    /// bucket of a histogram names the trace of a slow request. Default: off.
    ///
    /// ```
    /// use asdlc_exporter::{Exporter, Format};
    /// use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let exporter = Exporter::builder("shop").with_exemplars().build()?;
    /// let orders = exporter.meter().u64_counter("orders").build();
    ///
    /// // Usually a tracer starts the span.
    /// # let span = SpanContext::new(TraceId::from(7), SpanId::from(9), TraceFlags::SAMPLED, false, TraceState::NONE);
    /// # let context = opentelemetry::Context::new().with_remote_span_context(span);
    /// # let _guard = context.attach();
    /// orders.add(1, &[]);
    ///
    /// let text = exporter.render_as(Format::OpenMetrics)?;
    /// let exemplar = r#" # {trace_id="00000000000000000000000000000007",span_id="0000000000000009"} 1"#;
    /// assert!(text.contains(exemplar));
    /// # Ok(()) }
    /// ```
    ///
    /// All counters and histograms of the exporter's meters record exemplars, also those that a library creates.
    /// Gauges, up-down counters and observable instruments have none. A measurement can become an exemplar if the span
    /// of the current OpenTelemetry [`Context`](opentelemetry::Context) is sampled. The layers of `tower-asdlc-metrics`
    /// and `tracing-asdlc-metrics` record after the request or span has ended, and pass its ids to the exporter.
    /// Instruments of other meter providers have no exemplars.
    ///
    /// - **Which are kept:** the newest of each histogram bucket, and the newest of each counter series. A native
    ///   histogram keeps the newest between two powers of two, and so does every histogram before its first scrape. A
    ///   series keeps at most 256 exemplars of 64 bytes. An instrument keeps them for its first 2 000 series with
    ///   exemplars. Later series share one set. The SDK's overflow series has the exemplars of the series that it counts
    ///   there.
    /// - **Where they are served:** in `OpenMetrics` and protobuf. Prometheus stores them with
    ///   `--enable-feature=exemplar-storage`. The text formats 0.0.4 and 1.0.0 have no exemplars. Additional readers
    ///   get none, because the OpenTelemetry SDK 0.33 does not collect them. An exposition of more than 1 MiB has none if a
    ///   client with `HTTP/1.0` requests it: the length is sent first, and each new exemplar would change it.
    /// - **Their time:** that of the measurement. For a request of `tower-asdlc-metrics` it is the end of the request. The
    ///   exporter keeps an [`Instant`](std::time::Instant), and each scrape compares this clock with the system's clock. An
    ///   exemplar has the same time in all scrapes, so Prometheus stores it once. If the system's clock was set, or the
    ///   system was suspended, since the last scrape, then all exemplars since that scrape have times by the new clock, also
    ///   those from before the change. Changes below 1 ms are ignored.
    /// - **How long:** five minutes after the measurement, or
    ///   [`with_exemplar_max_age`](Self::with_exemplar_max_age).
    /// - **Views:** a metric has no exemplars if a view renames it. If a view removes attributes, the remaining series
    ///   have exemplars from their second scrape on, and none while the metric has an overflow series: the exporter cannot
    ///   know which of them the SDK has counted there. The removed attributes do not become labels of the exemplar,
    ///   although OpenTelemetry's specification says so: a view removes them so that no server stores their values.
    ///
    /// This is the same as [`with_exemplar_filter`](Self::with_exemplar_filter) with
    /// [`ExemplarFilter::TraceBased`]. The OpenTelemetry specification of the metrics SDK defines it in section
    /// "Exemplar".
    pub fn with_exemplars(self) -> Self {
        self.with_exemplar_filter(ExemplarFilter::TraceBased)
    }

    /// Sets which measurements become [exemplars](Self::with_exemplars). Default: `AlwaysOff`.
    pub fn with_exemplar_filter(mut self, filter: ExemplarFilter) -> Self {
        self.reader = self.reader.with_exemplar_filter(filter);
        self
    }

    /// Sets how long an [exemplar](Self::with_exemplars) is served after its measurement, if no newer one replaces it.
    /// At least 1 s; default: 5 minutes. It has to be longer than the scrape interval.
    pub fn with_exemplar_max_age(mut self, max_age: Duration) -> Self {
        self.reader = self.reader.with_exemplar_max_age(max_age);
        self
    }
}

impl PrometheusReaderBuilder {
    /// Records exemplars: single measurements with the ids of the trace and the span in which they were made.
    /// Default: off.
    ///
    /// Only meters of the provider that [`PrometheusReader::guard`](crate::PrometheusReader::guard) returns record
    /// them:
    ///
    /// ```
    /// use asdlc_exporter::PrometheusReader;
    /// use opentelemetry_sdk::metrics::SdkMeterProvider;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let prometheus = PrometheusReader::builder().with_exemplars().build()?;
    /// let provider = SdkMeterProvider::builder().with_reader(prometheus.clone()).build();
    /// opentelemetry::global::set_meter_provider(prometheus.guard(provider));
    /// # Ok(()) }
    /// ```
    ///
    /// [`ExporterBuilder::with_exemplars`] has the details.
    pub fn with_exemplars(self) -> Self {
        self.with_exemplar_filter(ExemplarFilter::TraceBased)
    }

    /// Sets which measurements become [exemplars](Self::with_exemplars). Default: `AlwaysOff`.
    pub fn with_exemplar_filter(mut self, filter: ExemplarFilter) -> Self {
        self.exemplars.filter = filter;
        self
    }

    /// Sets how long an [exemplar](Self::with_exemplars) is served after its measurement, if no newer one replaces it.
    /// At least 1 s; default: 5 minutes. It has to be longer than the scrape interval.
    pub fn with_exemplar_max_age(mut self, max_age: Duration) -> Self {
        self.exemplars.max_age = max_age;
        self
    }
}

const MIN_MAX_AGE: Duration = Duration::from_secs(1);
