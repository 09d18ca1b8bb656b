//! The exporter's metrics about itself.

use crate::exposition::render::Rendered;
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter},
};
use std::time::Duration;

/// The instruments. [`with_self_metrics`](crate::ExporterBuilder::with_self_metrics) documents them.
#[derive(Debug)]
pub(crate) struct SelfMetrics {
    requests: Counter<u64>,
    in_flight: UpDownCounter<i64>,
    duration: Histogram<f64>,
    bytes: Counter<u64>,
    series: Gauge<u64>,
    dropped: Gauge<u64>,
    truncated: Gauge<u64>,
    overflowing: Gauge<u64>,
    source_up: Gauge<u64>,
}

impl SelfMetrics {
    /// Creates the instruments. `callback_panics` returns how many callbacks have panicked so far.
    pub(crate) fn new(
        meter: &Meter,
        callback_panics: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        meter
            .u64_observable_counter("exporter_callback_panics")
            .with_description("Callbacks of observable instruments that panicked.")
            .with_callback(move |observer| observer.observe(callback_panics(), &[]))
            .build();
        let this = Self {
            requests: meter
                .u64_counter("promhttp_metric_handler_requests")
                .with_description("Scrapes by the status code of the response.")
                .build(),
            in_flight: meter
                .i64_up_down_counter("promhttp_metric_handler_requests_in_flight")
                .with_description("Scrapes that wait for their response, or read a streamed one.")
                .build(),
            duration: meter
                .f64_histogram("exporter_scrape_duration")
                .with_unit("s")
                .with_description("From the arrival of a scrape to its response, or to the end of a streamed one.")
                .with_boundaries(vec![0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0])
                .build(),
            bytes: meter
                .u64_counter("exporter_response")
                .with_unit("By")
                .with_description("Bytes of response bodies, as they were sent.")
                .build(),
            series: meter
                .u64_gauge("exporter_series")
                .with_description("Series in the last scrape without a filter.")
                .build(),
            dropped: meter
                .u64_gauge("exporter_dropped_metrics")
                .with_description(
                    "Metrics that are not served because of their names or types: the log has the reason.",
                )
                .build(),
            truncated: meter
                .u64_gauge("exporter_truncated_labels")
                .with_description(
                    "Labels truncated or left out in the last scrape without a filter.",
                )
                .build(),
            overflowing: meter
                .u64_gauge("exporter_overflowing")
                .with_description(
                    "Whether the metric has reached a series limit, so that label sets are counted together.",
                )
                .build(),
            source_up: meter
                .u64_gauge("exporter_source_up")
                .with_description("Whether the last run of the source refreshed its values.")
                .build(),
        };
        // These series exist from the start, because a rate needs a first value.
        for code in [200, 503] {
            this.requests.add(0, &[code_label(code)]);
        }
        this.bytes.add(0, &[]);
        this.rendered(None, 0);
        this.truncated.record(0, &[]);
        this
    }

    /// A scrape arrived.
    pub(crate) fn scrape_started(&self) {
        self.in_flight.add(1, &[]);
    }

    /// A scrape got its response of this number of bytes. A streamed response is recorded when its body has
    /// ended.
    pub(crate) fn scrape_responded(&self, code: u16, bytes: u64, duration: Duration) {
        self.requests.add(1, &[code_label(code)]);
        self.bytes.add(bytes, &[]);
        self.duration.record(duration.as_secs_f64(), &[]);
    }

    /// A scrape ended, with a response or without one.
    pub(crate) fn scrape_ended(&self) {
        self.in_flight.add(-1, &[]);
    }

    /// A run of a source has ended, or the source is late.
    pub(crate) fn source_ended(&self, source: &str, is_fresh: bool) {
        self.source_up.record(is_fresh.into(), &[KeyValue::new("source", source.to_owned())]);
    }

    /// The family has an overflow series, which stays until a restart.
    pub(crate) fn overflows(&self, family: &str) {
        self.overflowing.record(1, &[KeyValue::new("metric", family.to_owned())]);
    }

    /// Metrics were collected and written. `whole` is the exposition without a filter, if one was
    /// written.
    pub(crate) fn rendered(&self, whole: Option<&Rendered>, dropped: usize) {
        if let Some(whole) = whole {
            self.series.record(whole.series as u64, &[]);
            self.truncated.record(whole.truncated as u64, &[]);
        }
        self.dropped.record(dropped as u64, &[]);
    }
}

fn code_label(code: u16) -> KeyValue {
    KeyValue::new("code", i64::from(code))
}
