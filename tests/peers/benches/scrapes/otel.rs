//! The workload, recorded through OpenTelemetry, and the SDK alone.

use crate::workload::{self, BOUNDARIES, DURATION_HELP, REQUESTS_HELP};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Stream,
    Temporality,
};
use std::sync::{Arc, Weak};
use std::time::Duration;

pub fn record(meter: &Meter, series: usize) {
    let requests = meter.u64_counter("http_requests").with_description(REQUESTS_HELP).build();
    let durations = meter
        .f64_histogram("http_request_duration_seconds")
        .with_description(DURATION_HELP)
        .with_boundaries(BOUNDARIES.to_vec())
        .build();
    for workload::Series { method, endpoint, status, zone, durations: values, requests: count } in
        workload::all(series)
    {
        let labels = [
            KeyValue::new("method", method),
            KeyValue::new("endpoint", endpoint),
            KeyValue::new("status", i64::from(status)),
            KeyValue::new("zone", zone),
        ];
        requests.add(count, &labels);
        values.into_iter().for_each(|value| durations.record(value, &labels));
    }
}

/// A view that lets each instrument have so many series.
pub fn limit(series: usize) -> impl Fn(&Instrument) -> Option<Stream> + Send + Sync {
    move |_| Stream::builder().with_cardinality_limit(series + 1).build().ok()
}

/// And has the histogram in exponential buckets.
pub fn native(series: usize) -> impl Fn(&Instrument) -> Option<Stream> + Send + Sync {
    move |instrument| {
        let stream = Stream::builder().with_cardinality_limit(series + 1);
        if instrument.kind() != InstrumentKind::Histogram {
            return stream.build().ok();
        }
        let (max_size, max_scale, record_min_max) = (160, 8, false);
        let aggregation =
            Aggregation::Base2ExponentialHistogram { max_size, max_scale, record_min_max };
        stream.with_aggregation(aggregation).build().ok()
    }
}

/// What an exporter has to ask for, into memory that is used again, and nothing else.
pub fn collect(
    series: usize,
    view: impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static,
) -> impl FnMut() {
    let reader = Reader(Arc::default());
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).with_view(view).build();
    record(&provider.meter("bench"), series);
    let mut metrics = ResourceMetrics::default();
    move || {
        let _alive = &provider;
        reader.collect(&mut metrics).expect("a provider that is not shut down");
    }
}

/// One that can be asked although the provider has it.
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
