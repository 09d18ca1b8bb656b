//! What the exporter measures about itself.

use crate::{exporter::meters::Panics, exposition::render::Rendered};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter},
};
use std::time::Duration;

/// The instruments; documented at
/// [`with_self_metrics`](crate::ExporterBuilder::with_self_metrics).
#[derive(Debug)]
pub(crate) struct SelfMetrics {
    requests: Counter<u64>,
    in_flight: UpDownCounter<i64>,
    duration: Histogram<f64>,
    bytes: Counter<u64>,
    series: Gauge<u64>,
    dropped: Gauge<u64>,
    truncated: Gauge<u64>,
    source_up: Gauge<u64>,
}

impl SelfMetrics {
    pub(crate) fn new(meter: &Meter, panics: Panics) -> Self {
        meter
            .u64_observable_counter("exporter_callback_panics_total")
            .with_description("Callbacks of observable instruments that panicked.")
            .with_callback(move |observer| observer.observe(panics.count(), &[]))
            .build();
        let this = Self {
            requests: meter
                .u64_counter("promhttp_metric_handler_requests_total")
                .with_description("Scrapes by the status code of the answer.")
                .build(),
            in_flight: meter
                .i64_up_down_counter("promhttp_metric_handler_requests_in_flight")
                .with_description("Scrapes that wait for their answer.")
                .build(),
            duration: meter
                .f64_histogram("exporter_scrape_duration_seconds")
                .with_unit("s")
                .with_description("From the arrival of a scrape to its answer.")
                .with_boundaries(vec![0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0])
                .build(),
            bytes: meter
                .u64_counter("exporter_response_bytes_total")
                .with_unit("By")
                .with_description("Bytes of the bodies of answers, as they were sent.")
                .build(),
            series: meter
                .u64_gauge("exporter_series")
                .with_description("Series in the last scrape of everything.")
                .build(),
            dropped: meter
                .u64_gauge("exporter_dropped_metrics")
                .with_description("Metrics that are not served because their names are taken.")
                .build(),
            truncated: meter
                .u64_gauge("exporter_truncated_labels")
                .with_description("Labels truncated or left out in the last scrape of everything.")
                .build(),
            source_up: meter
                .u64_gauge("exporter_source_up")
                .with_description("Whether the source brought its values when it was last asked.")
                .build(),
        };
        // There from the start: a rate needs a first value.
        for code in [200, 503] {
            this.requests.add(0, &[code_label(code)]);
        }
        this.bytes.add(0, &[]);
        this.collected(None, 0);
        this.truncated.record(0, &[]);
        this
    }

    pub(crate) fn arrived(&self) {
        self.in_flight.add(1, &[]);
    }

    /// A scrape has got its answer.
    pub(crate) fn answered(&self, code: u16, bytes: u64, duration: Duration) {
        self.requests.add(1, &[code_label(code)]);
        self.bytes.add(bytes, &[]);
        self.duration.record(duration.as_secs_f64(), &[]);
    }

    /// A scrape is over, answered or not.
    pub(crate) fn left(&self) {
        self.in_flight.add(-1, &[]);
    }

    /// A source has ended or is late.
    pub(crate) fn asked(&self, source: &str, is_fresh: bool) {
        self.source_up.record(is_fresh.into(), &[KeyValue::new("source", source.to_owned())]);
    }

    /// `whole` is there when everything was written.
    pub(crate) fn collected(&self, whole: Option<&Rendered>, dropped: usize) {
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
