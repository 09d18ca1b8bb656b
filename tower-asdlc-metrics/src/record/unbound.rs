//! The types of `bound`, without bound instruments, for a `MeterProvider` that does not support them. Each measurement hashes
//! the attributes.

use crate::record::exemplars::SpanIds;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, UpDownCounter};
use std::time::Instant;

/// Only bound instruments have one.
#[derive(Debug)]
pub(crate) enum ExemplarSink {}

impl ExemplarSink {
    pub(crate) fn record(&self, _: f64, _: (SpanIds, Instant)) {
        match *self {}
    }
}

#[derive(Debug)]
struct Series<I> {
    instrument: I,
    /// Always in the same order: the SDK stores a copy of the label set for each order.
    attributes: Box<[KeyValue]>,
}

impl<I: Clone> Series<I> {
    fn new(instrument: &I, attributes: &[KeyValue]) -> Self {
        Self { instrument: instrument.clone(), attributes: attributes.into() }
    }
}

#[derive(Debug)]
pub(crate) struct CounterSeries(Series<Counter<u64>>);

impl CounterSeries {
    pub(crate) fn new(counter: &Counter<u64>, attributes: &[KeyValue]) -> Self {
        Self(Series::new(counter, attributes))
    }

    /// It has no sink.
    pub(crate) fn with_sink(counter: &Counter<u64>, attributes: &[KeyValue]) -> Self {
        Self::new(counter, attributes)
    }

    pub(crate) fn sink(&self) -> Option<&ExemplarSink> {
        None
    }

    pub(crate) fn add(&self, value: u64) {
        self.0.instrument.add(value, &self.0.attributes);
    }
}

#[derive(Debug)]
pub(crate) struct UpDownCounterSeries(Series<UpDownCounter<i64>>);

impl UpDownCounterSeries {
    pub(crate) fn new(counter: &UpDownCounter<i64>, attributes: &[KeyValue]) -> Self {
        let series = Self(Series::new(counter, attributes));
        // Creates the series in the SDK, as `bind` does. It is exported from now on, even if its value is 0 at each collection.
        series.add(0);
        series
    }

    pub(crate) fn add(&self, value: i64) {
        self.0.instrument.add(value, &self.0.attributes);
    }
}

#[derive(Debug)]
pub(crate) struct HistogramSeries(Series<Histogram<f64>>);

impl HistogramSeries {
    pub(crate) fn new(histogram: &Histogram<f64>, attributes: &[KeyValue]) -> Self {
        Self(Series::new(histogram, attributes))
    }

    /// It has no sink.
    pub(crate) fn with_sink(histogram: &Histogram<f64>, attributes: &[KeyValue]) -> Self {
        Self::new(histogram, attributes)
    }

    pub(crate) fn sink(&self) -> Option<&ExemplarSink> {
        None
    }

    pub(crate) fn record(&self, value: f64) {
        self.0.instrument.record(value, &self.0.attributes);
    }
}
