//! The SDK with a reader that only collects, which every exporter has to let it do.
//!
//! `tests/peak_memory.rs` and the benchmark of a scrape use this file too.

use opentelemetry::{
    KeyValue,
    metrics::{Counter, Meter, MeterProvider as _},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        Aggregation, Instrument, InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Stream,
        Temporality, data::ResourceMetrics, reader::MetricReader,
    },
};
use std::{
    sync::{Arc, Weak},
    time::Duration,
};

/// Has recorded the series of [`record`]. Collects into memory that it keeps, as an exporter does.
pub(crate) struct SdkAlone {
    _provider: SdkMeterProvider,
    reader: Reader,
    metrics: ResourceMetrics,
}

impl SdkAlone {
    pub(crate) fn new(series: usize, is_native: bool) -> Self {
        let reader = Reader(Arc::default());
        let view = move |instrument: &Instrument| {
            let stream = Stream::builder().with_cardinality_limit(series + 1);
            // As `with_native_histograms` has them.
            let (max_size, max_scale, record_min_max) = (160, 8, false);
            let exponential =
                Aggregation::Base2ExponentialHistogram { max_size, max_scale, record_min_max };
            match instrument.kind() {
                InstrumentKind::Histogram if is_native => stream.with_aggregation(exponential),
                _ => stream,
            }
            .build()
            .ok()
        };
        let provider =
            SdkMeterProvider::builder().with_reader(reader.clone()).with_view(view).build();
        record(&provider.meter("alone"), series);
        Self { _provider: provider, reader, metrics: ResourceMetrics::default() }
    }

    pub(crate) fn collect(&mut self) {
        self.reader.collect(&mut self.metrics).expect("a provider that is not shut down");
    }
}

/// Records `series` histogram series of 10 buckets and `series` counter series.
pub(crate) fn record(meter: &Meter, series: usize) -> Counter<u64> {
    let boundaries = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
    let histogram = meter
        .f64_histogram("http_request_duration_seconds")
        .with_description("Duration of requests.")
        .with_boundaries(boundaries)
        .build();
    let counter = meter
        .u64_counter("http_requests")
        .with_description("Requests that got a response.")
        .build();
    for at in 0..series {
        let labels = labels(at);
        for value in [0.003, 0.07, 0.3, 7.0] {
            histogram.record(value * (at % 7 + 1) as f64, &labels);
        }
        counter.add(at as u64 * 37 + 1, &labels);
    }
    counter
}

/// The labels of the series at this place.
pub(crate) fn labels(at: usize) -> [KeyValue; 4] {
    let method = ["GET", "POST", "PUT", "DELETE"][at % 4];
    let status = [200, 201, 404, 500][at / 4 % 4];
    [
        KeyValue::new("method", method),
        KeyValue::new("endpoint", format!("/api/v1/resource{}/{{id}}", at / 16)),
        KeyValue::new("status", i64::from(status)),
        KeyValue::new("zone", "eu-1"),
    ]
}

/// A reader that the provider and its owner share.
#[derive(Clone, Debug)]
struct Reader(Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}
