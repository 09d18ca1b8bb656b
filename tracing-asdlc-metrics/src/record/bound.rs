//! Series of the SDK's bound instruments (feature `bound`). A measurement hashes no attributes, and does not take the lock of
//! the SDK's map of series.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    BoundCounter, BoundGauge, BoundHistogram, BoundUpDownCounter, Counter, Gauge, Histogram,
    UpDownCounter,
};

#[derive(Debug)]
pub(crate) struct CounterSeries<T>(BoundCounter<T>);

impl<T> CounterSeries<T> {
    pub(crate) fn new(counter: &Counter<T>, attributes: &[KeyValue]) -> Self {
        Self(counter.bind(attributes))
    }

    pub(crate) fn add(&self, value: T) {
        self.0.add(value);
    }
}

#[derive(Debug)]
pub(crate) struct UpDownSeries<T>(BoundUpDownCounter<T>);

impl<T> UpDownSeries<T> {
    pub(crate) fn new(counter: &UpDownCounter<T>, attributes: &[KeyValue]) -> Self {
        Self(counter.bind(attributes))
    }

    pub(crate) fn add(&self, value: T) {
        self.0.add(value);
    }
}

#[derive(Debug)]
pub(crate) struct HistogramSeries(BoundHistogram<f64>);

impl HistogramSeries {
    pub(crate) fn new(histogram: &Histogram<f64>, attributes: &[KeyValue]) -> Self {
        Self(histogram.bind(attributes))
    }

    pub(crate) fn record(&self, value: f64) {
        self.0.record(value);
    }
}

#[derive(Debug)]
pub(crate) struct GaugeSeries(BoundGauge<f64>);

impl GaugeSeries {
    pub(crate) fn new(gauge: &Gauge<f64>, attributes: &[KeyValue]) -> Self {
        Self(gauge.bind(attributes))
    }

    pub(crate) fn record(&self, value: f64) {
        self.0.record(value);
    }
}
