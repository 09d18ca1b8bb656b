//! The same series without bound instruments, for a `MeterProvider` that has none.

use opentelemetry::metrics::{Counter, Histogram};

#[derive(Clone, Debug)]
pub(crate) struct CounterSeries(Counter<u64>);

impl CounterSeries {
    pub(crate) fn new(counter: &Counter<u64>) -> Self {
        Self(counter.clone())
    }

    pub(crate) fn add(&self, value: u64) {
        self.0.add(value, &[]);
    }
}

#[derive(Clone, Debug)]
pub(crate) struct HistogramSeries(Histogram<f64>);

impl HistogramSeries {
    pub(crate) fn new(histogram: &Histogram<f64>) -> Self {
        Self(histogram.clone())
    }

    pub(crate) fn record(&self, value: f64) {
        self.0.record(value, &[]);
    }
}
