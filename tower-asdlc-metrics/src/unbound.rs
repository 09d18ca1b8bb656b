//! The same series without bound instruments, for a `MeterProvider` that has none: the attributes are hashed each time.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};

#[derive(Debug)]
pub(crate) struct CounterSeries {
    counter: Counter<u64>,
    attributes: Vec<KeyValue>,
}

impl CounterSeries {
    pub(crate) fn new(counter: &Counter<u64>, attributes: &[KeyValue]) -> Self {
        let counter = counter.clone();
        // As a bound series does: it is there from the start, so that `rate()` sees its first step.
        counter.add(0, attributes);
        Self { counter, attributes: attributes.to_vec() }
    }

    pub(crate) fn add(&self, value: u64) {
        self.counter.add(value, &self.attributes);
    }
}

#[derive(Debug)]
pub(crate) struct HistogramSeries {
    histogram: Histogram<f64>,
    attributes: Vec<KeyValue>,
}

impl HistogramSeries {
    pub(crate) fn new(histogram: &Histogram<f64>, attributes: &[KeyValue]) -> Self {
        Self { histogram: histogram.clone(), attributes: attributes.to_vec() }
    }

    pub(crate) fn record(&self, value: f64) {
        self.histogram.record(value, &self.attributes);
    }
}
