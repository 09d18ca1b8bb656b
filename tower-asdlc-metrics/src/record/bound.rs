//! Series of bound instruments. A measurement hashes no attributes, and does not take the lock of the SDK's map of series.

use crate::record::exemplar_sink::ExemplarSink;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    BoundCounter, BoundHistogram, BoundUpDownCounter, Counter, Histogram, UpDownCounter,
};

#[derive(Debug)]
pub(crate) struct CounterSeries(BoundCounter<u64>, Option<ExemplarSink>);

impl CounterSeries {
    pub(crate) fn new(counter: &Counter<u64>, attributes: &[KeyValue]) -> Self {
        Self(counter.bind(attributes), None)
    }

    /// Asks the instrument for the sink of this series, and keeps it.
    pub(crate) fn with_sink(counter: &Counter<u64>, attributes: &[KeyValue]) -> Self {
        let (bound, sink) = ExemplarSink::ask(|| counter.bind(attributes));
        Self(bound, sink)
    }

    #[inline(always)]
    pub(crate) fn sink(&self) -> Option<&ExemplarSink> {
        self.1.as_ref()
    }

    pub(crate) fn add(&self, value: u64) {
        self.0.add(value);
    }
}

#[derive(Debug)]
pub(crate) struct UpDownCounterSeries(BoundUpDownCounter<i64>);

impl UpDownCounterSeries {
    pub(crate) fn new(counter: &UpDownCounter<i64>, attributes: &[KeyValue]) -> Self {
        Self(counter.bind(attributes))
    }

    pub(crate) fn add(&self, value: i64) {
        self.0.add(value);
    }
}

#[derive(Debug)]
pub(crate) struct HistogramSeries(BoundHistogram<f64>, Option<ExemplarSink>);

impl HistogramSeries {
    pub(crate) fn new(histogram: &Histogram<f64>, attributes: &[KeyValue]) -> Self {
        Self(histogram.bind(attributes), None)
    }

    /// Asks the instrument for the sink of this series, and keeps it.
    pub(crate) fn with_sink(histogram: &Histogram<f64>, attributes: &[KeyValue]) -> Self {
        let (bound, sink) = ExemplarSink::ask(|| histogram.bind(attributes));
        Self(bound, sink)
    }

    #[inline(always)]
    pub(crate) fn sink(&self) -> Option<&ExemplarSink> {
        self.1.as_ref()
    }

    pub(crate) fn record(&self, value: f64) {
        self.0.record(value);
    }
}
