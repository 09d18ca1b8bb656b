//! Reads the data points of a metric, of any number type and aggregation.

use crate::{
    exemplars::{Exemplar, SpanIds},
    families::{
        labels::{attributes::Attribute, scopes::ScopeId},
        model::{Bucket, FamilyKind, HistogramValue, NativeHistogram, Number, Quantile},
    },
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::metrics::data::{
    self, AggregatedMetrics, ExponentialHistogramDataPoint, HistogramDataPoint, MetricData,
};

/// The value of one data point. The variant says how two points of one series are merged.
#[derive(Clone, Copy)]
pub(crate) enum Point<'a> {
    /// A counter or up-down counter: the values are added.
    Sum(Number),
    /// A gauge: the greatest value is used. The SDK does not say which value was recorded last, and
    /// does not return the values in the order of recording.
    Gauge(Number),
    /// The buckets are added.
    Histogram(&'a dyn HistogramPoint),
    /// The last one is used: quantiles cannot be added.
    #[cfg_attr(
        not(feature = "prometheus"),
        expect(dead_code, reason = "only a registry has summaries")
    )]
    Summary(&'a dyn SummaryPoint),
}

impl<'a> Point<'a> {
    #[inline]
    pub(crate) fn histogram(self) -> Option<&'a dyn HistogramPoint> {
        match self {
            Self::Histogram(point) => Some(point),
            Self::Sum(_) | Self::Gauge(_) | Self::Summary(_) => None,
        }
    }
}

/// A histogram data point without its number type.
pub(crate) trait HistogramPoint {
    fn sum(&self) -> Number;

    /// Replaces `value` by count and buckets. Those of an exponential histogram are
    /// [native](HistogramValue::is_native); its classic buckets are not set.
    fn read(&self, value: &mut HistogramValue);

    /// Does the same as [`read`](Self::read). `value` was last read from a point of the same metric, or has no buckets. All
    /// points of a metric have the same boundaries, so they are not read again: those of each point are elsewhere in
    /// memory. Returns whether the boundaries in `value` are unchanged.
    fn read_next(&self, value: &mut HistogramValue) -> bool {
        self.read(value);
        false
    }
}

/// A summary data point.
pub(crate) trait SummaryPoint {
    fn sum(&self) -> Number;

    fn count(&self) -> u64;

    /// Replaces `quantiles` by those of the summary, in ascending order.
    fn read(&self, quantiles: &mut Vec<Quantile>);
}

impl Origin<'_> {
    pub(crate) fn scope(&self) -> ScopeId {
        match self {
            Self::Instrument(_, id) | Self::Resource(id) => *id,
            Self::Registry => ScopeId::NONE,
        }
    }
}

pub(crate) fn kind(data: &AggregatedMetrics) -> FamilyKind {
    fn of<T>(data: &MetricData<T>) -> FamilyKind {
        match data {
            MetricData::Sum(sum) if sum.is_monotonic() => FamilyKind::Counter,
            MetricData::Sum(_) | MetricData::Gauge(_) => FamilyKind::Gauge,
            MetricData::Histogram(_) | MetricData::ExponentialHistogram(_) => FamilyKind::Histogram,
        }
    }
    match data {
        AggregatedMetrics::F64(data) => of(data),
        AggregatedMetrics::U64(data) => of(data),
        AggregatedMetrics::I64(data) => of(data),
    }
}

/// Whether it is a histogram with explicit boundaries.
pub(crate) fn has_boundaries(data: &AggregatedMetrics) -> bool {
    match data {
        AggregatedMetrics::F64(data) => matches!(data, MetricData::Histogram(_)),
        AggregatedMetrics::U64(data) => matches!(data, MetricData::Histogram(_)),
        AggregatedMetrics::I64(data) => matches!(data, MetricData::Histogram(_)),
    }
}

/// Passes the boundaries of the buckets of a histogram to `read`. All its points have the same.
pub(crate) fn with_boundaries(
    data: &AggregatedMetrics,
    read: impl FnOnce(&mut dyn Iterator<Item = f64>),
) {
    fn of<T>(data: &MetricData<T>, read: impl FnOnce(&mut dyn Iterator<Item = f64>)) {
        if let MetricData::Histogram(histogram) = data {
            if let Some(point) = histogram.data_points().next() {
                read(&mut point.bounds());
            }
        }
    }
    match data {
        AggregatedMetrics::F64(data) => of(data, read),
        AggregatedMetrics::U64(data) => of(data, read),
        AggregatedMetrics::I64(data) => of(data, read),
    }
}

/// Passes the attributes of each point to `visit`, in the order of [`for_each`].
pub(crate) fn for_each_attributes(
    data: &AggregatedMetrics,
    mut visit: impl FnMut(&mut dyn Iterator<Item = &KeyValue>),
) {
    fn walk<T>(data: &MetricData<T>, visit: &mut impl FnMut(&mut dyn Iterator<Item = &KeyValue>)) {
        match data {
            MetricData::Sum(data) => {
                data.data_points().for_each(|point| visit(&mut point.attributes()));
            }
            MetricData::Gauge(data) => {
                data.data_points().for_each(|point| visit(&mut point.attributes()));
            }
            MetricData::Histogram(data) => {
                data.data_points().for_each(|point| visit(&mut point.attributes()));
            }
            MetricData::ExponentialHistogram(data) => {
                data.data_points().for_each(|point| visit(&mut point.attributes()));
            }
        }
    }
    match data {
        AggregatedMetrics::F64(data) => walk(data, &mut visit),
        AggregatedMetrics::U64(data) => walk(data, &mut visit),
        AggregatedMetrics::I64(data) => walk(data, &mut visit),
    }
}

/// Passes the exemplars that the SDK collected to `visit`, with the number of their point. The SDK 0.33 collects none.
pub(crate) fn for_each_exemplar(data: &AggregatedMetrics, mut visit: impl FnMut(u32, &Exemplar)) {
    fn walk<T: Copy + Into<Number>>(data: &MetricData<T>, visit: &mut impl FnMut(u32, &Exemplar)) {
        match data {
            MetricData::Sum(data) => {
                for (at, point) in (0..).zip(data.data_points()) {
                    point.exemplars().for_each(|it| visit(at, &Exemplar::from(it)));
                }
            }
            MetricData::Histogram(data) => {
                for (at, point) in (0..).zip(data.data_points()) {
                    point.exemplars().for_each(|it| visit(at, &Exemplar::from(it)));
                }
            }
            MetricData::ExponentialHistogram(data) => {
                for (at, point) in (0..).zip(data.data_points()) {
                    point.exemplars().for_each(|it| visit(at, &Exemplar::from(it)));
                }
            }
            // Prometheus has no exemplars of gauges.
            MetricData::Gauge(_) => {}
        }
    }
    match data {
        AggregatedMetrics::F64(data) => walk(data, &mut visit),
        AggregatedMetrics::U64(data) => walk(data, &mut visit),
        AggregatedMetrics::I64(data) => walk(data, &mut visit),
    }
}

impl<T: Copy + Into<Number>> From<&data::Exemplar<T>> for Exemplar {
    fn from(exemplar: &data::Exemplar<T>) -> Self {
        Self {
            value: exemplar.value.into().float(),
            time: exemplar.time().into(),
            span: SpanIds::new(*exemplar.trace_id(), *exemplar.span_id()),
        }
    }
}

/// Where the points of a metric come from.
#[derive(Clone, Copy)]
pub(crate) enum Origin<'a> {
    /// An instrument of this scope.
    Instrument(&'a InstrumentationScope, ScopeId),
    /// A registry.
    Registry,
    /// The resource, whose labels have this number.
    Resource(ScopeId),
}

/// Takes data points one by one. Unlike a closure, its method is generic over the iterator. So the loop over
/// the labels, which runs for every label of a scrape, is compiled for each type of point.
pub(crate) trait PointVisitor<'a> {
    /// The following points come from this origin.
    fn origin(&mut self, origin: Origin<'a>);

    fn point(&mut self, attributes: impl Iterator<Item = Attribute<'a>>, point: Point<'a>);
}

/// Passes every data point to the visitor.
pub(crate) fn for_each<'a>(data: &'a AggregatedMetrics, visitor: &mut impl PointVisitor<'a>) {
    fn walk<'a, T: Copy + Into<Number>>(
        data: &'a MetricData<T>,
        visitor: &mut impl PointVisitor<'a>,
    ) {
        match data {
            MetricData::Sum(sum) => {
                for point in sum.data_points() {
                    let attributes = point.attributes().map(Attribute::from);
                    visitor.point(attributes, Point::Sum(point.value().into()));
                }
            }
            MetricData::Gauge(gauge) => {
                for point in gauge.data_points() {
                    let attributes = point.attributes().map(Attribute::from);
                    visitor.point(attributes, Point::Gauge(point.value().into()));
                }
            }
            MetricData::Histogram(histogram) => {
                for point in histogram.data_points() {
                    visitor.point(point.attributes().map(Attribute::from), Point::Histogram(point));
                }
            }
            MetricData::ExponentialHistogram(histogram) => {
                for point in histogram.data_points() {
                    visitor.point(point.attributes().map(Attribute::from), Point::Histogram(point));
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

impl<T: Copy + Into<Number>> HistogramPoint for HistogramDataPoint<T> {
    fn sum(&self) -> Number {
        self.sum().into()
    }

    fn read(&self, value: &mut HistogramValue) {
        value.is_native = false;
        let buckets = &mut value.buckets;
        let mut counts = self.bucket_counts();
        let (mut cumulative, mut len) = (0_u64, 0);
        for bound in self.bounds() {
            let Some(count) = counts.next() else { break };
            cumulative = cumulative.saturating_add(count);
            match buckets.get_mut(len) {
                // Most boundaries are those of the series before.
                Some(bucket) if bucket.bound.to_bits() == bound.to_bits() => {
                    bucket.cumulative = cumulative;
                    len += 1;
                }
                _ => {
                    buckets.truncate(len);
                    push_bucket(buckets, Bucket { bound, cumulative });
                    len = buckets.len();
                }
            }
        }
        buckets.truncate(len);
        value.count = match self.bounds().next() {
            None => self.count(),
            Some(_) => counts.fold(cumulative, u64::saturating_add),
        };
    }

    fn read_next(&self, value: &mut HistogramValue) -> bool {
        let mut counts = self.bucket_counts();
        let HistogramValue { buckets, count, .. } = value;
        // The numbers of buckets differ at the first point, and if some boundaries are not valid.
        if buckets.is_empty() || counts.size_hint().0 != buckets.len() + 1 {
            self.read(value);
            return false;
        }
        let mut cumulative = 0_u64;
        for (bucket, count) in buckets.iter_mut().zip(&mut counts) {
            cumulative = cumulative.saturating_add(count);
            bucket.cumulative = cumulative;
        }
        *count = counts.fold(cumulative, u64::saturating_add);
        true
    }
}

impl<T: Copy + Into<Number>> HistogramPoint for ExponentialHistogramDataPoint<T> {
    fn sum(&self) -> Number {
        self.sum().into()
    }

    fn read(&self, value: &mut HistogramValue) {
        value.is_native = true;
        value.count = self.count() as u64;
        let NativeHistogram { schema, zero_count, positive, negative } = &mut value.native;
        *schema = self.scale();
        *zero_count = self.zero_count();
        let buckets = self.positive_bucket();
        positive.read(buckets.offset(), buckets.counts());
        let buckets = self.negative_bucket();
        negative.read(buckets.offset(), buckets.counts());
        value.native.limit_schema();
    }
}

/// Appends a bucket if its boundary is valid. Boundaries from a view are not validated.
#[cold]
fn push_bucket(buckets: &mut Vec<Bucket>, bucket: Bucket) {
    let last = buckets.last().map_or(f64::NEG_INFINITY, |last| last.bound);
    if bucket.bound > last && bucket.bound.is_finite() {
        buckets.push(bucket);
    }
}
