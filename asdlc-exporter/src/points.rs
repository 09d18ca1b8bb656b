//! The data points of a metric, whatever number type and aggregation they were recorded with.

use crate::model::{Bucket, Kind, Number};
use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, ExponentialHistogramDataPoint, HistogramDataPoint, MetricData,
};

/// The value of one series. The variants say how two points of one series merge.
#[derive(Clone, Copy)]
pub(crate) enum Point<'a> {
    /// Adds up: a counter, an up-down counter.
    Sum(Number),
    /// The last one stands: a gauge.
    Last(Number),
    /// Adds up bucket by bucket.
    Histogram(&'a dyn Distribution),
}

/// A histogram data point without its number type.
pub(crate) trait Distribution {
    fn sum(&self) -> Number;

    /// Replaces `buckets` by the finite buckets in ascending order and returns the count of all
    /// values.
    ///
    /// The count is the sum of the buckets, so that `+Inf` and `_count` agree by construction.
    fn read(&self, buckets: &mut Vec<Bucket>) -> u64;
}

pub(crate) fn kind(data: &AggregatedMetrics) -> Kind {
    fn of<T>(data: &MetricData<T>) -> Kind {
        match data {
            MetricData::Sum(sum) if sum.is_monotonic() => Kind::Counter,
            MetricData::Sum(_) | MetricData::Gauge(_) => Kind::Gauge,
            MetricData::Histogram(_) | MetricData::ExponentialHistogram(_) => Kind::Histogram,
        }
    }
    match data {
        AggregatedMetrics::F64(data) => of(data),
        AggregatedMetrics::U64(data) => of(data),
        AggregatedMetrics::I64(data) => of(data),
    }
}

/// Calls `each` with the attributes and the value of every data point.
pub(crate) fn for_each<'a>(
    data: &'a AggregatedMetrics,
    mut each: impl FnMut(&mut dyn Iterator<Item = &'a KeyValue>, Point<'a>),
) {
    fn walk<'a, T: Copy + Into<Number>>(
        data: &'a MetricData<T>,
        each: &mut impl FnMut(&mut dyn Iterator<Item = &'a KeyValue>, Point<'a>),
    ) {
        match data {
            MetricData::Sum(sum) => {
                for point in sum.data_points() {
                    each(&mut point.attributes(), Point::Sum(point.value().into()));
                }
            }
            MetricData::Gauge(gauge) => {
                for point in gauge.data_points() {
                    each(&mut point.attributes(), Point::Last(point.value().into()));
                }
            }
            MetricData::Histogram(histogram) => {
                for point in histogram.data_points() {
                    each(&mut point.attributes(), Point::Histogram(point));
                }
            }
            MetricData::ExponentialHistogram(histogram) => {
                for point in histogram.data_points() {
                    each(&mut point.attributes(), Point::Histogram(point));
                }
            }
        }
    }
    match data {
        AggregatedMetrics::F64(data) => walk(data, &mut each),
        AggregatedMetrics::U64(data) => walk(data, &mut each),
        AggregatedMetrics::I64(data) => walk(data, &mut each),
    }
}

impl<T: Copy + Into<Number>> Distribution for HistogramDataPoint<T> {
    fn sum(&self) -> Number {
        self.sum().into()
    }

    fn read(&self, buckets: &mut Vec<Bucket>) -> u64 {
        buckets.clear();
        let mut counts = self.bucket_counts();
        let mut cumulative = 0_u64;
        let mut last = f64::NEG_INFINITY;
        for bound in self.bounds() {
            let Some(count) = counts.next() else { break };
            cumulative = cumulative.saturating_add(count);
            // A view can bring boundaries that were never validated.
            if bound > last && bound.is_finite() {
                buckets.push(Bucket { bound, cumulative });
                last = bound;
            }
        }
        if self.bounds().next().is_none() {
            return self.count();
        }
        counts.fold(cumulative, u64::saturating_add)
    }
}

/// Only count and sum: text 0.0.4 has no native histograms, and the boundaries move whenever the
/// SDK changes the scale, which a rate over classic buckets would read as resets.
impl<T: Copy + Into<Number>> Distribution for ExponentialHistogramDataPoint<T> {
    fn sum(&self) -> Number {
        self.sum().into()
    }

    fn read(&self, buckets: &mut Vec<Bucket>) -> u64 {
        buckets.clear();
        self.count() as u64
    }
}
