//! Which series are served, and what is served of them.

use crate::{
    exporter::reader_builder::PrometheusReaderBuilder,
    families::series::{idle_timeout::IdleTimeout, native_histograms::NativeHistograms},
};

impl PrometheusReaderBuilder {
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
}
