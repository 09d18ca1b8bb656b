//! Reads the metrics of a `prometheus::Registry`.

use crate::families::{
    labels::{Attribute, AttributeValue},
    model::{Bucket, FamilyKind, Number, Quantile},
    points::{HistogramPoint, Point, PointVisitor, SummaryPoint},
};
use prometheus::proto::{Counter, Gauge, Histogram, Metric, MetricType, Summary};

pub(crate) use prometheus::{Registry, proto::MetricFamily};

/// The type of the family. `None` if it is untyped: the library returns no values of untyped metrics.
pub(crate) fn kind(family: &MetricFamily) -> Option<FamilyKind> {
    match family.get_field_type() {
        MetricType::COUNTER => Some(FamilyKind::Counter),
        MetricType::GAUGE => Some(FamilyKind::Gauge),
        MetricType::HISTOGRAM => Some(FamilyKind::Histogram),
        MetricType::SUMMARY => Some(FamilyKind::Summary),
        MetricType::UNTYPED => None,
    }
}

/// Passes every metric of the family to the visitor. `kind` is the kind of the family.
pub(crate) fn for_each<'a>(
    family: &'a MetricFamily,
    kind: FamilyKind,
    visitor: &mut impl PointVisitor<'a>,
) {
    for metric in family.get_metric() {
        let attributes = metric.get_label().iter().map(|label| Attribute {
            key: label.name(),
            value: AttributeValue::Text(label.value()),
        });
        visitor.point(attributes, point(metric, kind));
    }
}

fn point(metric: &Metric, kind: FamilyKind) -> Point<'_> {
    match kind {
        FamilyKind::Counter => {
            let counter: &Counter = metric.get_counter();
            Point::Sum(number(Value::value(counter)))
        }
        FamilyKind::Gauge | FamilyKind::TargetInfo => {
            let gauge: &Gauge = metric.get_gauge();
            Point::Gauge(number(Value::value(gauge)))
        }
        FamilyKind::Histogram => {
            let histogram: &Histogram = metric.get_histogram();
            Point::Histogram(histogram)
        }
        FamilyKind::Summary => {
            let summary: &Summary = metric.get_summary();
            Point::Summary(summary)
        }
    }
}

/// The value of a counter or gauge, with and without the feature `protobuf` of the crate
/// `prometheus`.
///
/// Any crate of a program can enable this feature, which is on by default. With it, the types have
/// a method `value`. Without it, they have a method `get_value` instead. A method of the type takes
/// precedence over a method of this trait. So `Value::value` always calls the method that the type
/// has: directly, or through the trait's `get_value`.
trait Value {
    fn value(&self) -> f64;

    #[expect(dead_code, reason = "only used with the library's feature `protobuf`")]
    fn get_value(&self) -> f64;
}

impl Value for Counter {
    fn value(&self) -> f64 {
        self.get_value()
    }

    fn get_value(&self) -> f64 {
        self.value()
    }
}

impl Value for Gauge {
    fn value(&self) -> f64 {
        self.get_value()
    }

    fn get_value(&self) -> f64 {
        self.value()
    }
}

/// The crate `prometheus` has only floats.
fn number(value: f64) -> Number {
    Number::F64(value)
}

impl HistogramPoint for Histogram {
    fn sum(&self) -> Number {
        number(self.get_sample_sum())
    }

    fn read(&self, buckets: &mut Vec<Bucket>) -> u64 {
        buckets.clear();
        // A collector can return invalid buckets.
        let mut last = Bucket { bound: f64::NEG_INFINITY, cumulative: 0 };
        for bucket in self.get_bucket() {
            let bound = bucket.upper_bound();
            if bound > last.bound && bound.is_finite() {
                let cumulative = bucket.cumulative_count().max(last.cumulative);
                last = Bucket { bound, cumulative };
                buckets.push(last);
            }
        }
        self.get_sample_count().max(last.cumulative)
    }

    fn prefetch(&self) -> u64 {
        self.get_sample_count()
    }
}

impl SummaryPoint for Summary {
    fn sum(&self) -> Number {
        number(self.sample_sum())
    }

    fn count(&self) -> u64 {
        self.sample_count()
    }

    fn read(&self, quantiles: &mut Vec<Quantile>) {
        quantiles.clear();
        quantiles.extend(
            self.get_quantile()
                .iter()
                .map(|q| Quantile { quantile: q.quantile(), value: q.value() })
                .filter(|q| (0.0..=1.0).contains(&q.quantile)),
        );
        quantiles.sort_by(|a, b| a.quantile.total_cmp(&b.quantile));
        quantiles.dedup_by(|a, b| a.quantile == b.quantile);
    }
}
