//! Reads the metrics of a `prometheus::Registry`.

use crate::families::{
    foreign::{ForeignRegistry, NotServed},
    labels::attributes::{Attribute, AttributeValue},
    model::{Bucket, FamilyKind, HistogramValue, Number, Quantile},
    series::points::{HistogramPoint, Point, PointVisitor, SummaryPoint},
};
use prometheus::proto::{Counter, Gauge, Histogram, Metric, MetricFamily, MetricType, Summary};
use std::fmt;

#[derive(Debug)]
pub(crate) struct Registry(prometheus::Registry);

pub(crate) struct Gathered(Vec<MetricFamily>);

pub(crate) struct Family<'a>(&'a MetricFamily);

impl Registry {
    /// Never fails. Panics if a collector panics.
    pub(crate) fn gather(&self) -> Result<Gathered, fmt::Error> {
        Ok(Gathered(self.0.gather()))
    }
}

impl From<prometheus::Registry> for ForeignRegistry {
    fn from(registry: prometheus::Registry) -> Self {
        Registry(registry).into()
    }
}

impl Gathered {
    pub(crate) fn families(&self) -> impl Iterator<Item = Family<'_>> {
        self.0.iter().map(Family)
    }
}

impl Family<'_> {
    pub(crate) fn name(&self) -> &str {
        self.0.name()
    }

    /// Names in the registry are complete.
    pub(crate) fn suffix(&self) -> &'static str {
        ""
    }

    pub(crate) fn help(&self) -> &str {
        self.0.help()
    }

    /// The crate has no units.
    pub(crate) fn unit(&self) -> &str {
        ""
    }

    /// The type. The library returns no values of untyped metrics.
    pub(crate) fn kind(&self) -> Result<FamilyKind, NotServed<'_>> {
        match self.0.get_field_type() {
            MetricType::COUNTER => Ok(FamilyKind::Counter),
            MetricType::GAUGE => Ok(FamilyKind::Gauge),
            MetricType::HISTOGRAM => Ok(FamilyKind::Histogram),
            MetricType::SUMMARY => Ok(FamilyKind::Summary),
            MetricType::UNTYPED => Err(None),
        }
    }

    /// Passes every metric to the visitor. `kind` is the kind of the family.
    pub(crate) fn for_each_point<'a>(
        &'a self,
        kind: FamilyKind,
        visitor: &mut impl PointVisitor<'a>,
    ) {
        for metric in self.0.get_metric() {
            let attributes = metric.get_label().iter().map(|label| Attribute {
                key: label.name(),
                value: AttributeValue::Text(label.value()),
            });
            visitor.point(attributes, point(metric, kind));
        }
    }
}

fn point(metric: &Metric, kind: FamilyKind) -> Point<'_> {
    match kind {
        FamilyKind::Counter => {
            let counter: &Counter = metric.get_counter();
            Point::Sum(number(Value::value(counter)))
        }
        FamilyKind::Gauge | FamilyKind::Unknown | FamilyKind::TargetInfo => {
            let gauge: &Gauge = metric.get_gauge();
            Point::Gauge(number(Value::get_value(gauge)))
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
/// precedence over a method of this trait. So both methods of this trait always call the method that
/// the type has: directly, or through the other method of this trait. Both are used, so that
/// neither is dead code.
trait Value {
    fn value(&self) -> f64;

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

    fn read(&self, value: &mut HistogramValue) {
        value.is_native = false;
        let buckets = &mut value.buckets;
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
        value.count = self.get_sample_count().max(last.cumulative);
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
