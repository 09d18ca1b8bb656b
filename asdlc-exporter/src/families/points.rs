//! The data points of a metric, whatever number type and aggregation they were recorded with.

use crate::families::{
    labels::Label,
    model::{Bucket, Kind, Number, Quantile},
};
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, ExponentialHistogramDataPoint, HistogramDataPoint, MetricData,
};

/// The value of one series. The variants say how two points of one series merge.
#[derive(Clone, Copy)]
pub(crate) enum Point<'a> {
    /// Adds up: a counter, an up-down counter.
    Sum(Number),
    /// The greatest stands: a gauge. The SDK says neither which was recorded last nor does it return
    /// them in an order that stays.
    Last(Number),
    /// Adds up bucket by bucket.
    Histogram(&'a dyn Distribution),
    /// The last one stands: quantiles do not add up.
    #[cfg_attr(
        not(feature = "prometheus"),
        expect(dead_code, reason = "only a registry has summaries")
    )]
    Summary(&'a dyn Quantiles),
}

/// A histogram data point without its number type.
pub(crate) trait Distribution {
    fn sum(&self) -> Number;

    /// Replaces `buckets` by the finite buckets in ascending order and returns the count of all
    /// values.
    ///
    /// The count is the sum of the buckets, so that `+Inf` and `_count` agree by construction.
    fn read(&self, buckets: &mut Vec<Bucket>) -> u64;

    /// Looks at some of what `read` will read, with a result that depends on it.
    fn fetch(&self) -> u64;
}

/// A summary data point.
pub(crate) trait Quantiles {
    fn sum(&self) -> Number;

    fn count(&self) -> u64;

    /// Replaces `quantiles` by those of the summary, in ascending order.
    fn read(&self, quantiles: &mut Vec<Quantile>);
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

/// Takes points one by one. A trait and no closure, so that the loop over the labels is compiled for
/// each kind of points: it runs for every label of a scrape.
pub(crate) trait Visit<'a> {
    fn point(&mut self, labels: impl Iterator<Item = Label<'a>>, point: Point<'a>);
}

/// Shows every data point to the visitor.
pub(crate) fn for_each<'a>(data: &'a AggregatedMetrics, visitor: &mut impl Visit<'a>) {
    fn walk<'a, T: Copy + Into<Number>>(data: &'a MetricData<T>, visitor: &mut impl Visit<'a>) {
        match data {
            MetricData::Sum(sum) => {
                for point in sum.data_points() {
                    let labels = point.attributes().map(Label::from);
                    visitor.point(labels, Point::Sum(point.value().into()));
                }
            }
            MetricData::Gauge(gauge) => {
                for point in gauge.data_points() {
                    let labels = point.attributes().map(Label::from);
                    visitor.point(labels, Point::Last(point.value().into()));
                }
            }
            MetricData::Histogram(histogram) => {
                for point in histogram.data_points() {
                    visitor.point(point.attributes().map(Label::from), Point::Histogram(point));
                }
            }
            MetricData::ExponentialHistogram(histogram) => {
                for point in histogram.data_points() {
                    visitor.point(point.attributes().map(Label::from), Point::Histogram(point));
                }
            }
        }
    }
    match data {
        AggregatedMetrics::F64(data) => walk(data, visitor),
        AggregatedMetrics::U64(data) => walk(data, visitor),
        AggregatedMetrics::I64(data) => walk(data, visitor),
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

    fn fetch(&self) -> u64 {
        let bound = self.bounds().next().unwrap_or_default();
        bound.to_bits() ^ self.bucket_counts().next().unwrap_or_default()
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

    fn fetch(&self) -> u64 {
        self.count() as u64
    }
}
