//! The same series without bound instruments, for a `MeterProvider` that has none: each measurement hashes its attributes.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, UpDownCounter};

#[derive(Debug)]
struct Series<I> {
    instrument: I,
    /// Always in the same order, because the SDK keeps a copy of an attribute set for each order.
    attributes: Box<[KeyValue]>,
}

impl<I: Clone> Series<I> {
    fn new(instrument: &I, attributes: &[KeyValue]) -> Self {
        Self { instrument: instrument.clone(), attributes: attributes.into() }
    }
}

#[derive(Debug)]
pub(crate) struct CounterSeries<T>(Series<Counter<T>>);

impl<T: Clone> CounterSeries<T> {
    pub(crate) fn new(counter: &Counter<T>, attributes: &[KeyValue]) -> Self {
        Self(Series::new(counter, attributes))
    }

    pub(crate) fn add(&self, value: T) {
        self.0.instrument.add(value, &self.0.attributes);
    }
}

#[derive(Debug)]
pub(crate) struct UpDownSeries<T>(Series<UpDownCounter<T>>);

impl<T: Clone> UpDownSeries<T> {
    pub(crate) fn new(counter: &UpDownCounter<T>, attributes: &[KeyValue]) -> Self {
        Self(Series::new(counter, attributes))
    }

    pub(crate) fn add(&self, value: T) {
        self.0.instrument.add(value, &self.0.attributes);
    }
}

#[derive(Debug)]
pub(crate) struct HistogramSeries(Series<Histogram<f64>>);

impl HistogramSeries {
    pub(crate) fn new(histogram: &Histogram<f64>, attributes: &[KeyValue]) -> Self {
        Self(Series::new(histogram, attributes))
    }

    pub(crate) fn record(&self, value: f64) {
        self.0.instrument.record(value, &self.0.attributes);
    }
}

#[derive(Debug)]
pub(crate) struct GaugeSeries(Series<Gauge<f64>>);

impl GaugeSeries {
    pub(crate) fn new(gauge: &Gauge<f64>, attributes: &[KeyValue]) -> Self {
        Self(Series::new(gauge, attributes))
    }

    pub(crate) fn record(&self, value: f64) {
        self.0.instrument.record(value, &self.0.attributes);
    }
}
