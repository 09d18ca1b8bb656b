//! The series of one family: label sets in order, each once.

use crate::{
    families::Family,
    labels::{DigestHasher, Label, Labels, LayoutId, ShapeId, Shapes},
    model::{Bucket, Number, Quantile},
    points::{Point, Visit},
};
use std::{cmp::Ordering, hash::Hasher as _, mem, ptr};

/// Label values and points of the family at hand; the memory serves the next family too.
#[derive(Default)]
pub(crate) struct SeriesTable<'a> {
    text: String,
    rows: Vec<Row<'a>>,
    labels: Vec<Label<'a>>,
    /// Of the point before.
    last_labels: Vec<Label<'a>>,
}

/// The order of a family's points, for as long as they are the same points.
#[derive(Debug, Default)]
pub(crate) struct Order {
    rows: Vec<u32>,
    /// Whether each point is a series of its own.
    is_distinct: bool,
    /// Of what is in order.
    digest: u64,
    text_len: usize,
}

struct Row<'a> {
    start: usize,
    len: u32,
    layout: LayoutId,
    point: Point<'a>,
}

/// One series: a label set and all points that were recorded for it, which is one except when
/// attribute sets differ only in what a label cannot express, or when several metrics share a
/// family.
pub(crate) struct Series<'t, 'a> {
    pub(crate) labels: Labels<'t>,
    rows: &'t [u32],
    table: &'t SeriesTable<'a>,
}

impl<'a> SeriesTable<'a> {
    /// Takes the points of the family and puts them in order.
    pub(crate) fn load(&mut self, family: &Family<'a, '_>, shapes: &mut Shapes, order: &mut Order) {
        self.text.clear();
        self.rows.clear();
        self.last_labels.clear();
        // What was there the last time: no more memory than that.
        self.text.reserve_exact(order.text_len);
        self.rows.reserve_exact(order.rows.len());
        let digest = {
            let (reserved, layouts) = (family.kind.reserved_key(), shapes.hasher());
            let mut loading = Loading { table: self, shapes, reserved, shape: None, layouts };
            family.for_each_point(&mut loading);
            let Loading { table, mut layouts, .. } = loading;
            layouts.write(table.text.as_bytes());
            layouts.write_usize(table.rows.len());
            layouts.finish()
        };
        // The SDK returns the points of a metric in the same order until there is a new one: then
        // all that has to be found out is that nothing has changed.
        if order.digest == digest && order.rows.len() == self.rows.len() {
            return;
        }
        order.rows.clear();
        order.rows.extend(0..self.rows.len() as u32);
        // Later points stay behind earlier ones of the same label set.
        order.rows.sort_unstable_by(|&a, &b| self.compare(shapes, a, b).then(a.cmp(&b)));
        let is_less = |pair: &[u32]| self.compare(shapes, pair[0], pair[1]).is_lt();
        order.is_distinct = order.rows.windows(2).all(is_less);
        order.digest = digest;
        order.text_len = self.text.len();
    }

    pub(crate) fn iter<'t>(
        &'t self,
        shapes: &'t Shapes,
        order: &'t Order,
    ) -> impl Iterator<Item = Series<'t, 'a>> {
        let Order { rows, is_distinct, .. } = order;
        rows.chunk_by(move |&a, &b| !is_distinct && self.compare(shapes, a, b).is_eq()).map(
            |rows| {
                let first = self.row(rows[0]);
                let labels = shapes.labels(first.layout, self.values(first));
                Series { labels, rows, table: self }
            },
        )
    }

    fn compare(&self, shapes: &Shapes, a: u32, b: u32) -> Ordering {
        let (a, b) = (self.row(a), self.row(b));
        shapes.compare(a.layout, b.layout).then_with(|| self.values(a).cmp(self.values(b)))
    }

    fn row(&self, at: u32) -> &Row<'a> {
        &self.rows[at as usize]
    }

    fn values(&self, row: &Row<'_>) -> &str {
        &self.text[row.start..][..row.len as usize]
    }
}

/// A table that takes the points of a family.
struct Loading<'t, 'a> {
    table: &'t mut SeriesTable<'a>,
    shapes: &'t mut Shapes,
    reserved: Option<&'static str>,
    /// Of the point before.
    shape: Option<ShapeId>,
    /// Where which layout begins.
    layouts: DigestHasher,
}

impl<'a> Visit<'a> for Loading<'_, 'a> {
    fn point(&mut self, recorded: impl Iterator<Item = Label<'a>>, point: Point<'a>) {
        let SeriesTable { text, rows, labels, last_labels } = &mut *self.table;
        labels.clear();
        labels.extend(recorded);
        // Most points have the very keys of the one before: no need to read them.
        let known = self.shape.filter(|_| have_same_keys(labels, last_labels));
        let shape = known.unwrap_or_else(|| self.shapes.find(self.reserved, labels));
        self.shape = Some(shape);
        let start = text.len();
        let layout = self.shapes.push_values(text, shape, labels);
        if rows.last().is_none_or(|last| last.layout != layout) {
            self.layouts.write_usize(rows.len());
            self.layouts.write_u32(layout.number());
        }
        rows.push(Row { start, len: (text.len() - start) as u32, layout, point });
        mem::swap(labels, last_labels);
    }
}

/// Whether the keys are the same strings in memory, which is quicker to tell than equal ones.
fn have_same_keys(a: &[Label<'_>], b: &[Label<'_>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| ptr::eq(a.key, b.key))
}

impl<'a> Series<'_, 'a> {
    /// The value of a counter or gauge series.
    pub(crate) fn value(&self) -> Number {
        let mut value = None;
        for point in self.points() {
            value = match (point, value) {
                (Point::Sum(number), Some(sum)) => Some(number.plus(sum)),
                (Point::Sum(number) | Point::Last(number), _) => Some(number),
                (Point::Histogram(_) | Point::Summary(_), value) => value,
            };
        }
        value.unwrap_or(Number::U64(0))
    }

    /// Replaces `buckets` by those of a histogram series and returns count and sum.
    ///
    /// Histograms with different boundaries are merged to the boundaries they share, where the
    /// counts are exact.
    pub(crate) fn histogram(&self, buckets: &mut Vec<Bucket>) -> (u64, Number) {
        let mut points = self.points().filter_map(|point| match point {
            Point::Histogram(point) => Some(point),
            Point::Sum(_) | Point::Last(_) | Point::Summary(_) => None,
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

    /// Replaces `quantiles` by those of a summary series and returns count and sum.
    pub(crate) fn summary(&self, quantiles: &mut Vec<Quantile>) -> (u64, Number) {
        quantiles.clear();
        let last = self.points().filter_map(|point| match point {
            Point::Summary(point) => Some(point),
            Point::Sum(_) | Point::Last(_) | Point::Histogram(_) => None,
        });
        last.last().map_or((0, Number::U64(0)), |last| {
            last.read(quantiles);
            (last.count(), last.sum())
        })
    }

    fn points(&self) -> impl Iterator<Item = Point<'a>> {
        self.rows.iter().map(|&at| self.table.row(at).point)
    }
}
