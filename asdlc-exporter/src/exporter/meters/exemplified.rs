//! Counters and histograms that record exemplars.

use crate::exemplars::{
    buckets::InitialBuckets,
    series::SeriesRecorder,
    span,
    store::{ExemplarStore, InstrumentExemplars},
};
use opentelemetry::{
    InstrumentationScope, KeyValue,
    metrics::{
        BoundCounter, BoundHistogram, BoundSyncInstrument, Counter, Histogram, SyncInstrument,
    },
};
use std::sync::Arc;

/// An instrument that measures with another one, and then records exemplars.
struct Exemplified<I> {
    instrument: I,
    exemplars: Arc<InstrumentExemplars>,
}

/// The same, for one attribute set.
struct BoundExemplified<I> {
    instrument: I,
    exemplars: Arc<InstrumentExemplars>,
    series: SeriesRecorder,
}

/// A counter or a histogram of the inner provider.
trait Instrument<T> {
    type Bound: BoundInstrument<T> + Send + Sync + 'static;

    fn measure(&self, value: T, attributes: &[KeyValue]);

    fn bind(&self, attributes: &[KeyValue]) -> Self::Bound;
}

trait BoundInstrument<T> {
    fn measure(&self, value: T);
}

/// A number that a counter or a histogram takes.
pub(super) trait Measurement: Copy + 'static {
    fn float(self) -> f64;
}

/// The counter with exemplars.
pub(super) fn counter<T: Measurement>(
    store: &ExemplarStore,
    scope: &InstrumentationScope,
    name: &str,
    counter: Counter<T>,
) -> Counter<T>
where
    Counter<T>: Send + Sync,
    BoundCounter<T>: Send + Sync,
{
    let exemplars = store.instrument(scope, name, InitialBuckets::One);
    Counter::new(Arc::new(Exemplified { instrument: counter, exemplars }))
}

/// The histogram with exemplars. The boundaries of its buckets are known at the first scrape, because a view can change
/// them.
pub(super) fn histogram<T: Measurement>(
    store: &ExemplarStore,
    scope: &InstrumentationScope,
    name: &str,
    histogram: Histogram<T>,
) -> Histogram<T>
where
    Histogram<T>: Send + Sync,
    BoundHistogram<T>: Send + Sync,
{
    let exemplars = store.instrument(scope, name, InitialBuckets::PowersOfTwo);
    Histogram::new(Arc::new(Exemplified { instrument: histogram, exemplars }))
}

impl<T: Measurement, I: Instrument<T> + Send + Sync> SyncInstrument<T> for Exemplified<I> {
    fn measure(&self, value: T, attributes: &[KeyValue]) {
        self.instrument.measure(value, attributes);
        let value = value.float();
        if let Some((span, time)) = self.exemplars.current(value) {
            self.exemplars.series(attributes).record((value, time), || span);
        }
    }

    fn bind(&self, attributes: &[KeyValue]) -> Box<dyn BoundSyncInstrument<T> + Send + Sync> {
        let series = self.exemplars.series(attributes);
        span::answer_sink(|| self.exemplars.sink(series.clone()));
        Box::new(BoundExemplified {
            instrument: self.instrument.bind(attributes),
            exemplars: Arc::clone(&self.exemplars),
            series,
        })
    }
}

impl<T: Measurement, I: BoundInstrument<T> + Send + Sync> BoundSyncInstrument<T>
    for BoundExemplified<I>
{
    fn measure(&self, value: T) {
        // Most measurements: the layers record in batches what is in no sampled span.
        if span::is_excluded() {
            return self.instrument.measure(value);
        }
        self.measure_with_exemplar(value);
    }
}

impl<I> BoundExemplified<I> {
    #[inline(never)]
    fn measure_with_exemplar<T: Measurement>(&self, value: T)
    where
        I: BoundInstrument<T>,
    {
        self.instrument.measure(value);
        let value = value.float();
        let Some(time) = span::time_if_sampled() else {
            return self.record_in_current_span(value);
        };
        // The SDK does not count other values. With `ExemplarFilter::AlwaysOff` there is no store, so each filter here allows a
        // sampled span.
        if value.is_finite() {
            self.series.record((value, time), span::sampled);
        }
    }

    #[inline(never)]
    fn record_in_current_span(&self, value: f64) {
        if let Some((span, time)) = self.exemplars.current(value) {
            self.series.record((value, time), || span);
        }
    }
}

impl<T: 'static> Instrument<T> for Counter<T>
where
    BoundCounter<T>: Send + Sync,
{
    type Bound = BoundCounter<T>;

    fn measure(&self, value: T, attributes: &[KeyValue]) {
        self.add(value, attributes);
    }

    fn bind(&self, attributes: &[KeyValue]) -> BoundCounter<T> {
        self.bind(attributes)
    }
}

impl<T: 'static> Instrument<T> for Histogram<T>
where
    BoundHistogram<T>: Send + Sync,
{
    type Bound = BoundHistogram<T>;

    fn measure(&self, value: T, attributes: &[KeyValue]) {
        self.record(value, attributes);
    }

    fn bind(&self, attributes: &[KeyValue]) -> BoundHistogram<T> {
        self.bind(attributes)
    }
}

impl<T> BoundInstrument<T> for BoundCounter<T> {
    fn measure(&self, value: T) {
        self.add(value);
    }
}

impl<T> BoundInstrument<T> for BoundHistogram<T> {
    fn measure(&self, value: T) {
        self.record(value);
    }
}

impl Measurement for u64 {
    fn float(self) -> f64 {
        self as f64
    }
}

impl Measurement for f64 {
    fn float(self) -> f64 {
        self
    }
}
