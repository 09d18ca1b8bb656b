//! Metrics that other code registered in a `prometheus::Registry`.

use crate::families::{
    labels::{Label, LabelValue},
    model::{Bucket, Kind, Number, Quantile},
    points::{Distribution, Point, Quantiles, Visit},
};
use prometheus::proto::{Histogram, Metric, MetricType, Summary};

pub(crate) use prometheus::{Registry, proto::MetricFamily};

/// What the family is; nothing for one without a type, whose values this library keeps to itself.
pub(crate) fn kind(family: &MetricFamily) -> Option<Kind> {
    match family.get_field_type() {
        MetricType::COUNTER => Some(Kind::Counter),
        MetricType::GAUGE => Some(Kind::Gauge),
        MetricType::HISTOGRAM => Some(Kind::Histogram),
        MetricType::SUMMARY => Some(Kind::Summary),
        MetricType::UNTYPED => None,
    }
}

/// Shows every metric of the family, which is of this kind, to the visitor.
pub(crate) fn for_each<'a>(family: &'a MetricFamily, kind: Kind, visitor: &mut impl Visit<'a>) {
    for metric in family.get_metric() {
        let labels = metric
            .get_label()
            .iter()
            .map(|label| Label { key: label.name(), value: LabelValue::Text(label.value()) });
        visitor.point(labels, point(metric, kind));
    }
}

fn point(metric: &Metric, kind: Kind) -> Point<'_> {
    match kind {
        Kind::Counter => Point::Sum(number(metric.get_counter().get_value())),
        Kind::Gauge => Point::Last(number(metric.get_gauge().get_value())),
        Kind::Histogram => {
            let histogram: &Histogram = metric.get_histogram();
            Point::Histogram(histogram)
        }
        Kind::Summary => {
            let summary: &Summary = metric.get_summary();
            Point::Summary(summary)
        }
    }
}

/// The library has floats only.
fn number(value: f64) -> Number {
    Number::F64(value)
}

impl Distribution for Histogram {
    fn sum(&self) -> Number {
        number(self.get_sample_sum())
    }

    fn read(&self, buckets: &mut Vec<Bucket>) -> u64 {
        buckets.clear();
        // A collector can return anything.
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

    fn fetch(&self) -> u64 {
        self.get_sample_count()
    }
}

impl Quantiles for Summary {
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
