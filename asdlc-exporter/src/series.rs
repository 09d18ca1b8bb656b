//! The series of one family: label sets in order, each once.

use crate::{
    families::Family,
    labels::{ConstantLabels, push_labels},
    model::{Bucket, Number},
    points::Point,
};
use opentelemetry::KeyValue;
use std::{borrow::Cow, ops::Range};

/// Label texts and points of the family at hand; the memory serves the next family too.
#[derive(Default)]
pub(crate) struct SeriesTable<'a> {
    text: String,
    rows: Vec<Row<'a>>,
    order: Vec<(Cow<'a, str>, &'a KeyValue)>,
}

struct Row<'a> {
    labels: Range<usize>,
    point: Point<'a>,
}

/// One series: a label set and all points that were recorded for it, which is one except when
/// attribute sets differ only in what a label cannot express, or when several metrics share a
/// family.
pub(crate) struct Series<'t, 'a> {
    pub(crate) labels: &'t str,
    rows: &'t [Row<'a>],
}

impl<'a> SeriesTable<'a> {
    pub(crate) fn load(&mut self, family: &Family<'a, '_>, constant: &ConstantLabels) {
        let Self { text, rows, order } = self;
        text.clear();
        rows.clear();
        family.for_each_point(|attributes, point| {
            let start = text.len();
            push_labels(text, constant, family.kind, attributes, order);
            rows.push(Row { labels: start..text.len(), point });
        });
        // Later points stay behind earlier ones of the same label set.
        rows.sort_by(|a, b| text[a.labels.clone()].cmp(&text[b.labels.clone()]));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Series<'_, 'a>> {
        self.rows
            .chunk_by(|a, b| self.text[a.labels.clone()] == self.text[b.labels.clone()])
            .map(|rows| Series { labels: &self.text[rows[0].labels.clone()], rows })
    }
}

impl Series<'_, '_> {
    /// The value of a counter or gauge series.
    pub(crate) fn value(&self) -> Number {
        let mut value = None;
        for row in self.rows {
            value = match (row.point, value) {
                (Point::Sum(number), Some(sum)) => Some(number.plus(sum)),
                (Point::Sum(number) | Point::Last(number), _) => Some(number),
                (Point::Histogram(_), value) => value,
            };
        }
        value.unwrap_or(Number::U64(0))
    }

    /// Replaces `buckets` by those of a histogram series and returns count and sum.
    ///
    /// Histograms with different boundaries are merged to the boundaries they share, where the
    /// counts are exact.
    pub(crate) fn histogram(&self, buckets: &mut Vec<Bucket>) -> (u64, Number) {
        let mut points = self.rows.iter().filter_map(|row| match row.point {
            Point::Histogram(point) => Some(point),
            Point::Sum(_) | Point::Last(_) => None,
        });
        let Some(first) = points.next() else {
            buckets.clear();
            return (0, Number::U64(0));
        };
        let mut count = first.read(buckets);
        let mut sum = first.sum();
        for point in points {
            let mut others = Vec::new();
            count = count.saturating_add(point.read(&mut others));
            sum = sum.plus(point.sum());
            buckets.retain_mut(|bucket| {
                let other = others.iter().find(|other| other.bound == bucket.bound);
                bucket.cumulative =
                    bucket.cumulative.saturating_add(other.map_or(0, |other| other.cumulative));
                other.is_some()
            });
        }
        (count, sum)
    }
}
