//! The limits of scrapes, and the metrics about them.

use crate::exporter::reader_builder::PrometheusReaderBuilder;
use std::time::Duration;

impl PrometheusReaderBuilder {
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
    /// | `exporter_callback_panics_total` | counter | callbacks that panicked, of meters that this reader [guards](crate::PrometheusReader::guard) |
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
}
