//! Reads the points of a family, sorts those of a small one by their labels, and merges the points of one series.

use crate::families::{
    family::Family,
    labels::{
        attributes::{Attribute, Labels},
        cache::{FoundKeys, LabelCache},
        key::{KeyRules, is_scope_key},
        layouts::Layout,
        row_memory::RowMemory,
        rows::{LabelRows, Scratch},
        scopes::ScopeId,
    },
    model::{HistogramValue, Number, Quantile},
    names::escaping::Escaping,
    series::{
        native::ClassicBounds,
        order::SeriesOrder,
        points::{Origin, Point, PointVisitor},
    },
};
use std::{iter, mem, ptr};

/// The points of one family. Its memory is reused for the next family.
#[derive(Default)]
pub(crate) struct SeriesTable<'a> {
    points: Vec<Point<'a>>,
    /// The attributes of one point. A field, to reuse its memory.
    attributes: Vec<Attribute<'a>>,
    /// Memory to write the labels of one point. A field, to reuse it.
    scratch: Scratch,
    /// Whether all points are of one metric.
    has_one_metric: bool,
    /// Whether the family has an overflow series.
    overflows: bool,
    /// The keys of two earlier points. Two, because the SDK stores an attribute set twice, in the
    /// order of recording and sorted, and returns one of the two.
    recent: [RecentKeys<'a>; 2],
    /// Where the native histograms of the family have classic buckets.
    classic_bounds: ClassicBounds,
}

/// One series: a label set and its points. It has several points if attribute sets differ only in what
/// labels cannot express, or if several metrics share a family.
pub(crate) struct Series<'t, 'a> {
    /// Not empty.
    rows: &'t [u32],
    all: &'t AllSeries<'t, 'a>,
}

/// All series of a family, in the order in which they are written.
pub(crate) struct AllSeries<'t, 'a> {
    table: &'t SeriesTable<'a>,
    order: &'t SeriesOrder,
    labels: &'t LabelCache,
    /// Those of the canonical labels, or of the labels as they are written.
    layouts: &'t [Layout],
}

impl<'a> SeriesTable<'a> {
    /// Reads the points of the family, and sorts those of a small one. Returns whether labels were encoded that no longer are.
    pub(crate) fn load(
        &mut self,
        family: &Family<'a, '_>,
        labels: &mut LabelCache,
        order: &mut SeriesOrder,
        memory: &mut RowMemory,
    ) -> bool {
        self.overflows = false;
        self.has_one_metric = family.members().nth(1).is_none();
        self.classic_bounds = family.description.classic_bounds;
        // In a family of another type, the same keys can become other labels.
        self.forget_keys();
        let expected = match order.rows.len() {
            0 => family.members().map(|member| family.count_points(member)).sum(),
            last => last,
        };
        // Reserves as much memory as the last scrape needed, and no more.
        self.points.clear();
        self.points.reserve_exact(expected);
        let can_be_encoded = order.can_be_encoded();
        order.labels.begin(memory, labels, order.text_len, expected, can_be_encoded);
        let was_encoded = order.labels.are_encoded();
        let reserved = family.description.kind.reserved_key();
        let rules = KeyRules { reserved, are_final: false, style: labels.key_style() };
        let origin = Origin::Resource(ScopeId::NONE);
        let rows = &mut order.labels;
        family.for_each_point(&mut TableLoader { table: self, rows, labels, rules, origin });
        // The SDK returns the points of a metric in the same order until a point is added. (The points of an observable counter
        // have another order each time.) If all labels are the same as in the last scrape, the order of that scrape is still
        // right. If the labels were not kept, their hash is compared.
        order.is_steady = !order.labels.end(labels, order.digest);
        if order.is_steady {
            return false;
        }
        order.is_unsuitable |= order.labels.are_unsuitable();
        let digest = order.labels.digest(labels.digest());
        if order.digest == digest && order.rows.len() == self.points.len() {
            order.is_steady = true;
            return was_encoded;
        }
        order.is_unsuitable = false;
        let SeriesOrder { labels: table, rows, .. } = order;
        rows.clear();
        rows.extend(0..self.points.len() as u32);
        order.is_distinct = rows.len() > MAX_SORTED && table.are_distinct(|| labels.digest());
        if !order.is_distinct {
            // Points of the same label set stay in the order in which they were loaded.
            rows.sort_unstable_by(|&a, &b| table.compare(labels, a, b).then(a.cmp(&b)));
            let is_less = |pair: &[u32]| table.compare(labels, pair[0], pair[1]).is_lt();
            order.is_distinct = rows.windows(2).all(is_less);
        }
        order.digest = digest;
        order.text_len = table.text_len();
        was_encoded
    }

    /// Whether the family has a series that counts label sets beyond a series limit.
    pub(crate) fn overflows(&self) -> bool {
        self.overflows
    }

    /// The series with the same labels in every exposition.
    pub(crate) fn series<'t>(
        &'t self,
        labels: &'t LabelCache,
        order: &'t SeriesOrder,
    ) -> AllSeries<'t, 'a> {
        AllSeries { table: self, order, labels, layouts: labels.layouts() }
    }

    /// The series with labels as they are written, if these were [prepared](LabelCache::prepare).
    pub(crate) fn written<'t>(
        &'t self,
        labels: &'t LabelCache,
        order: &'t SeriesOrder,
        escaping: Escaping,
    ) -> AllSeries<'t, 'a> {
        AllSeries { layouts: labels.written_layouts(escaping), ..self.series(labels, order) }
    }

    fn forget_keys(&mut self) {
        self.recent.iter_mut().for_each(|recent| recent.found = None);
    }
}

/// Adds the points of a family to the table.
struct TableLoader<'t, 'a> {
    table: &'t mut SeriesTable<'a>,
    rows: &'t mut LabelRows,
    labels: &'t mut LabelCache,
    rules: KeyRules,
    origin: Origin<'a>,
}

impl<'a> PointVisitor<'a> for TableLoader<'_, 'a> {
    fn origin(&mut self, origin: Origin<'a>) {
        let are_final = matches!(origin, Origin::Registry);
        let are_same = are_final == self.rules.are_final && origin.scope() == self.origin.scope();
        if !are_same {
            // Here, the same keys become other labels, or labels of another scope.
            self.table.forget_keys();
        }
        self.rules.are_final = are_final;
        self.origin = origin;
        self.labels.count_truncated(origin.scope());
    }

    fn point(&mut self, recorded: impl Iterator<Item = Attribute<'a>>, point: Point<'a>) {
        let SeriesTable { attributes, recent, .. } = &mut *self.table;
        attributes.clear();
        attributes.extend(recorded);
        // Most points have the same key strings in memory as one of the last points. Then their
        // keys are known.
        let known = recent.iter().find_map(|recent| recent.keys_of(attributes));
        let keys = known.unwrap_or_else(|| self.find_keys());
        let Self { table, rows, labels, .. } = self;
        let SeriesTable { points, attributes, scratch, .. } = &mut **table;
        rows.add(labels, keys, attributes, scratch);
        points.push(point);
    }
}

impl<'a> TableLoader<'_, 'a> {
    /// Finds the keys of the attributes if they are not those of one of the last points.
    #[inline(never)]
    fn find_keys(&mut self) -> FoundKeys {
        let Self { table, labels, rules, origin, .. } = self;
        let SeriesTable { attributes, overflows, recent, .. } = &mut **table;
        let key_list = labels.find(*rules, attributes);
        *overflows |= labels.is_overflow(key_list);
        if labels.has_scope_keys(key_list) {
            return self.move_scope_keys();
        }
        let found = labels.in_scope(key_list, origin.scope());
        recent.swap(0, 1);
        recent[0].found = Some(found);
        recent[0].keys.clear();
        recent[0].keys.extend(attributes.iter().map(|attribute| attribute.key));
        found
    }

    /// Finds the keys if some of the attributes have to be labels of the scope. Removes these
    /// attributes.
    #[cold]
    fn move_scope_keys(&mut self) -> FoundKeys {
        let Self { table, labels, rules, origin, .. } = self;
        let is_scope_key =
            |attribute: &Attribute<'_>| is_scope_key(&rules.label_key(attribute.key));
        let (of_scope, others): (Vec<_>, _) =
            mem::take(&mut table.attributes).into_iter().partition(is_scope_key);
        table.attributes = others;
        let scope = match origin {
            Origin::Instrument(scope, _) => Some(*scope),
            Origin::Registry | Origin::Resource(_) => None,
        };
        let scope = labels.scopes().find(scope, *rules, &of_scope);
        let key_list = labels.find(*rules, &table.attributes);
        labels.count_truncated(scope);
        labels.in_scope(key_list, scope)
    }
}

/// The keys of an earlier point.
#[derive(Default)]
struct RecentKeys<'a> {
    keys: Vec<&'a str>,
    /// What the keys become in the scope of the points.
    found: Option<FoundKeys>,
}

impl RecentKeys<'_> {
    /// Returns `found` if these attributes have the same key strings in memory. Comparing addresses is
    /// faster than comparing strings.
    fn keys_of(&self, attributes: &[Attribute<'_>]) -> Option<FoundKeys> {
        let mut both = attributes.iter().zip(&self.keys);
        let are_same = attributes.len() == self.keys.len()
            && both.all(|(attribute, key)| ptr::eq(attribute.key, *key));
        self.found.filter(|_| are_same)
    }
}

impl<'a> AllSeries<'_, 'a> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = Series<'_, 'a>> {
        let SeriesOrder { rows, is_distinct, .. } = self.order;
        let mut rest = &rows[..];
        iter::from_fn(move || {
            let (first, others) = rest.split_first()?;
            let same = if *is_distinct { 0 } else { self.count_same(*first, others) };
            let (rows, others) = rest.split_at(1 + same);
            rest = others;
            Some(Series { rows, all: self })
        })
    }

    /// How many of the other rows are of the same series as the first one.
    fn count_same(&self, first: u32, others: &[u32]) -> usize {
        let Self { order, labels, .. } = self;
        others.iter().take_while(|&&at| order.labels.compare(labels, first, at).is_eq()).count()
    }
}

impl<'t, 'a> Series<'t, 'a> {
    #[inline]
    pub(crate) fn labels(&self) -> Labels<'t> {
        let AllSeries { order, labels, layouts, .. } = *self.all;
        let (layout, row) = order.labels.row(self.rows[0], labels);
        let (layout, canonical) = (&layouts[layout.index()], &labels.layouts()[layout.index()]);
        Labels { layout, canonical, row, is_plain: order.labels.are_plain() }
    }

    /// The value of a counter or gauge series.
    #[inline]
    pub(crate) fn value(&self) -> Number {
        let mut value = None;
        for point in self.points() {
            value = match (point, value) {
                (Point::Sum(number), Some(sum)) => Some(number.plus(sum)),
                (Point::Gauge(number), Some(other)) => Some(number.max(other)),
                (Point::Sum(number) | Point::Gauge(number), None) => Some(number),
                (Point::Histogram(_) | Point::Summary(_), value) => value,
            };
        }
        value.unwrap_or(Number::U64(0))
    }

    /// Replaces `value` by that of a histogram series. Before, `value` has to be that of another series of the family, or
    /// to have no buckets.
    ///
    /// Histograms with different boundaries are merged to the boundaries that they share, where the
    /// counts are exact. A native histogram that is merged with a classic one becomes a classic one.
    pub(crate) fn histogram(&self, value: &mut HistogramValue) {
        let table = self.all.table;
        let bounds = table.classic_bounds;
        let mut points = self.points().filter_map(Point::histogram);
        let Some(first) = points.next() else {
            *value = HistogramValue::default();
            return;
        };
        value.has_last_bounds = table.has_one_metric && first.read_next(value);
        if !table.has_one_metric {
            first.read(value);
        }
        value.sum = first.sum();
        for point in points {
            value.has_last_bounds = false;
            let mut other = HistogramValue::default();
            point.read(&mut other);
            other.sum = point.sum();
            value.add(other, bounds);
        }
        if value.is_native {
            value.set_classic(bounds);
        }
    }

    /// Replaces `quantiles` by those of a summary series and returns count and sum.
    pub(crate) fn summary(&self, quantiles: &mut Vec<Quantile>) -> (u64, Number) {
        quantiles.clear();
        let last = self.points().filter_map(|point| match point {
            Point::Summary(point) => Some(point),
            Point::Sum(_) | Point::Gauge(_) | Point::Histogram(_) => None,
        });
        last.last().map_or((0, Number::U64(0)), |last| {
            last.read(quantiles);
            (last.count(), last.sum())
        })
    }

    /// The rows of its points in the table.
    #[inline]
    pub(crate) fn rows(&self) -> &'t [u32] {
        self.rows
    }

    fn points(&self) -> impl Iterator<Item = Point<'a>> {
        let points = &self.all.table.points;
        self.rows.iter().map(|&at| points[at as usize])
    }
}

/// A family with more points is written in the order in which its points are in memory, so that the CPU prefetches them. In the
/// order of the labels, the CPU would wait for the data of each series. The data of a smaller family is mostly still in the CPU
/// caches after the collection.
const MAX_SORTED: usize = 2_000;
