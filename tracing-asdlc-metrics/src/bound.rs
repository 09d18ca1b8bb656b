//! Series that are resolved once: a measurement hashes no attribute and takes none of the SDK's map locks.

use opentelemetry::metrics::{BoundCounter, BoundHistogram, Counter, Histogram};

#[derive(Clone, Debug)]
pub(crate) struct CounterSeries(BoundCounter<u64>);

impl CounterSeries {
    pub(crate) fn new(counter: &Counter<u64>) -> Self {
        Self(counter.bind(&[]))
    }

    pub(crate) fn add(&self, value: u64) {
        self.0.add(value);
    }
}

#[derive(Clone, Debug)]
pub(crate) struct HistogramSeries(BoundHistogram<f64>);

impl HistogramSeries {
    pub(crate) fn new(histogram: &Histogram<f64>) -> Self {
        Self(histogram.bind(&[]))
    }

    pub(crate) fn record(&self, value: f64) {
        self.0.record(value);
    }
}
