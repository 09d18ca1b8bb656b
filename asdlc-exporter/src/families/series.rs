//! The series of one family: label sets in order, each once.

use crate::families::{
    catalogue::Family,
    labels::{DigestHasher, Label, Labels, LayoutId, ShapeId, Shapes},
    model::{Bucket, Number, Quantile},
    packed,
    points::{Point, Visit},
};
use std::{cmp::Ordering, hash::Hasher as _, hint, ptr};

/// Label values and points of the family at hand; the memory serves the next family too.
#[derive(Default)]
pub(crate) struct SeriesTable<'a> {
    /// For each row the label values and their packed lengths.
    text: String,
    rows: Vec<Row<'a>>,
    /// Scratch.
    labels: Vec<Label<'a>>,
    /// Scratch.
    lengths: Vec<usize>,
    /// The keys of points before. The SDK keeps each attribute set in the order of recording and
    /// sorted, and returns either: so there are two.
    recent: [Recent<'a>; 2],
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
    /// Whether the log has that labels of this family are truncated.
    pub(crate) is_reported: bool,
}

struct Row<'a> {
    start: usize,
    values_len: u32,
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
        // Keys become other labels in a family of another kind.
        self.recent.iter_mut().for_each(|recent| recent.shape = None);
        // What was there the last time: no more memory than that.
        self.text.reserve_exact(order.text_len);
        self.rows.reserve_exact(order.rows.len());
        let digest = {
            let (reserved, layouts) = (family.kind.reserved_key(), shapes.hasher());
            let mut loading = Loading { table: self, shapes, reserved, layouts };
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
        let (mut ahead, mut done) = (rows.chunks(FETCHED), 0);
        rows.chunk_by(move |&a, &b| !is_distinct && self.compare(shapes, a, b).is_eq()).map(
            move |rows| {
                if done == 0 {
                    ahead.next().into_iter().flatten().for_each(|&at| self.fetch(at));
                    done = FETCHED;
                }
                done -= 1;
                let first = self.row(rows[0]);
                let labels = shapes.labels(first.layout, self.values(first), self.lengths(first));
                Series { labels, rows, table: self }
            },
        )
    }

    /// Makes the processor fetch what belongs to the row.
    ///
    /// Rows are written in another order than that of the SDK's memory. While a series waits for
    /// its data nothing is written, but the data of many can be waited for at once.
    fn fetch(&self, at: u32) {
        let row = self.row(at);
        hint::black_box(self.text.as_bytes().get(row.start));
        if let Point::Histogram(point) = row.point {
            hint::black_box(point.fetch());
        }
    }

    fn compare(&self, shapes: &Shapes, a: u32, b: u32) -> Ordering {
        let (a, b) = (self.row(a), self.row(b));
        shapes.compare(a.layout, b.layout).then_with(|| self.values(a).cmp(self.values(b)))
    }

    fn row(&self, at: u32) -> &Row<'a> {
        &self.rows[at as usize]
    }

    fn values(&self, row: &Row<'_>) -> &str {
        &self.text[row.start..][..row.values_len as usize]
    }

    /// The packed lengths of the values, and more.
    fn lengths(&self, row: &Row<'_>) -> &[u8] {
        &self.text.as_bytes()[row.start + row.values_len as usize..]
    }
}

/// A table that takes the points of a family.
struct Loading<'t, 'a> {
    table: &'t mut SeriesTable<'a>,
    shapes: &'t mut Shapes,
    reserved: Option<&'static str>,
    /// Where which layout begins.
    layouts: DigestHasher,
}

impl<'a> Visit<'a> for Loading<'_, 'a> {
    fn point(&mut self, recorded: impl Iterator<Item = Label<'a>>, point: Point<'a>) {
        let Self { table, shapes, reserved, layouts } = self;
        let SeriesTable { text, rows, labels, lengths, recent } = &mut **table;
        labels.clear();
        labels.extend(recorded);
        // Most points have the very keys of one before: no need to read them.
        let shape = recent.iter().find_map(|recent| recent.of(labels)).unwrap_or_else(|| {
            let shape = shapes.find(*reserved, labels);
            recent.swap(0, 1);
            recent[0].shape = Some(shape);
            recent[0].keys.clear();
            recent[0].keys.extend(labels.iter().map(|label| label.key));
            shape
        });
        let start = text.len();
        let layout = shapes.push_values(text, lengths, shape, labels);
        let values_len = (text.len() - start) as u32;
        if rows.last().is_none_or(|last| last.layout != layout) {
            layouts.write_usize(rows.len());
            layouts.write_u32(layout.number());
        }
        lengths.iter().for_each(|length| packed::push(text, *length));
        rows.push(Row { start, values_len, layout, point });
    }
}

/// The keys of a point before.
#[derive(Default)]
struct Recent<'a> {
    keys: Vec<&'a str>,
    shape: Option<ShapeId>,
}

impl Recent<'_> {
    /// Its shape, if the keys are the same strings in memory, which is quicker to tell than equal
    /// ones.
    fn of(&self, labels: &[Label<'_>]) -> Option<ShapeId> {
        let mut both = labels.iter().zip(&self.keys);
        let are_same =
            labels.len() == self.keys.len() && both.all(|(label, key)| ptr::eq(label.key, *key));
        self.shape.filter(|_| are_same)
    }
}

impl<'a> Series<'_, 'a> {
    /// The value of a counter or gauge series.
    pub(crate) fn value(&self) -> Number {
        let mut value = None;
        for point in self.points() {
            value = match (point, value) {
                (Point::Sum(number), Some(sum)) => Some(number.plus(sum)),
                (Point::Last(number), Some(other)) => Some(number.max(other)),
                (Point::Sum(number) | Point::Last(number), None) => Some(number),
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

/// Of so many rows the data is fetched at once.
const FETCHED: usize = 16;
