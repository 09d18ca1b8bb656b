//! Finds the exemplars of the series of a family.

use crate::{
    exemplars::{
        Exemplar, Moment,
        clocks::Clocks,
        series::{Seen, SeriesExemplars},
        store::{ExemplarStore, InstrumentExemplars},
    },
    families::{
        family::{Family, Member},
        model::FamilyKind,
        series::points,
    },
    unix_time::UnixTime,
};
use foldhash::fast::RandomState;
use opentelemetry::{InstrumentationScope, Key, KeyValue, Value};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, Metric};
use std::{
    cell::OnceCell,
    collections::{HashMap, HashSet},
};

/// The exemplars of one family. Its memory is reused for the next family, and the next scrape.
#[derive(Debug, Default)]
pub(crate) struct FamilyExemplars {
    /// Each with the row of its point, sorted by row and value.
    found: Vec<(u32, Exemplar)>,
    rows: Rows,
}

/// The row of each point of a metric, by the hash of its attributes.
type Rows = HashMap<u64, u32, RandomState>;

/// The points of a metric, among which those of exemplars are searched.
struct Points<'a> {
    data: &'a AggregatedMetrics,
    rows: &'a Rows,
    /// The row of the point in which the SDK counts the series beyond its limit.
    overflow: Option<u32>,
    /// The keys of the attributes of all points. Most metrics do not need them.
    keys: OnceCell<HashSet<Key, RandomState>>,
}

impl FamilyExemplars {
    /// Finds the exemplars of a family that are not too old. The clocks are those of this scrape. None has the value NaN, which is in no bucket. Rows are
    /// numbered as in the [`SeriesTable`](super::table::SeriesTable): by the order of points. `None` if there are none.
    pub(crate) fn load(
        &mut self,
        family: &Family<'_, '_>,
        (store, clocks): (&ExemplarStore, &Clocks),
        now: UnixTime,
    ) -> Option<&Self> {
        self.found.clear();
        if !matches!(family.description.kind, FamilyKind::Counter | FamilyKind::Histogram) {
            return None;
        }
        let oldest = now.minus(store.max_age());
        let mut row = 0;
        for member in family.members() {
            if let Member::Recorded(metric, scope, _) = member {
                self.find((store, clocks), (metric, scope), row, oldest);
            }
            row += family.count_points(member) as u32;
        }
        self.found.sort_unstable_by(|(a_row, a), (b_row, b)| {
            a_row.cmp(b_row).then(a.value.total_cmp(&b.value))
        });
        (!self.found.is_empty()).then_some(self)
    }

    /// Finds the exemplars of a metric whose first point has this row.
    fn find(
        &mut self,
        (store, clocks): (&ExemplarStore, &Clocks),
        (metric, scope): (&Metric, &InstrumentationScope),
        first_row: u32,
        oldest: UnixTime,
    ) {
        let Self { found, rows } = self;
        let data = metric.data();
        let mut add = |row: u32, exemplar: Exemplar| {
            if exemplar.time >= oldest && !exemplar.value.is_nan() {
                found.push((row, exemplar));
            }
        };
        points::for_each_exemplar(data, |at, exemplar| add(first_row + at, *exemplar));
        let served =
            |it: Exemplar<Moment>| it.with_time(|moment| clocks.unix_time(moment.instant()));
        let Some(exemplars) = store.find(scope, metric.name()) else { return };
        points::with_boundaries(data, |boundaries| exemplars.buckets().set_boundaries(boundaries));
        let points = Points::read(data, &exemplars, first_row, rows);
        exemplars.for_each_series(|hash, series| {
            if let Some(row) = points.row_of_series(hash, series) {
                series.for_each(|exemplar| add(row, served(exemplar)));
            }
        });
        let shared = exemplars.shared();
        if !shared.is_empty() {
            let overflow = points.overflow;
            let overflow = overflow.filter(|_| shared.have_only(|key| points.have_key(key)));
            shared.for_each(|exemplar, series| {
                let overflow = overflow.filter(|_| series != NO_ATTRIBUTES);
                if let Some(row) = points.row(series).or(overflow) {
                    add(row, served(exemplar));
                }
            });
        }
    }

    /// The newest exemplar of a series of these points.
    pub(crate) fn newest(&self, rows: &[u32]) -> Option<&Exemplar> {
        rows.iter()
            .flat_map(|row| self.of(*row))
            .map(|(_, exemplar)| exemplar)
            .max_by_key(|it| it.time)
    }

    /// Replaces `exemplars` by those of a series of these points, in the order of their values.
    pub(crate) fn read(&self, rows: &[u32], exemplars: &mut Vec<Exemplar>) {
        exemplars.clear();
        exemplars.extend(rows.iter().flat_map(|row| self.of(*row)).map(|(_, exemplar)| *exemplar));
        if rows.len() > 1 {
            exemplars.sort_unstable_by(|a, b| a.value.total_cmp(&b.value));
        }
    }

    /// The exemplars of a point.
    fn of(&self, row: u32) -> &[(u32, Exemplar)] {
        let start = self.found.partition_point(|(of, _)| *of < row);
        let rest = &self.found[start..];
        &rest[..rest.partition_point(|(of, _)| *of == row)]
    }
}

impl<'a> Points<'a> {
    fn read(
        data: &'a AggregatedMetrics,
        exemplars: &InstrumentExemplars,
        first_row: u32,
        rows: &'a mut Rows,
    ) -> Self {
        rows.clear();
        let (mut row, mut overflow) = (first_row, None);
        points::for_each_attributes(data, |attributes| {
            let (mut count, mut is_overflow) = (0, false);
            let attributes = attributes.inspect(|attribute| {
                count += 1;
                is_overflow |= is_of_overflow(attribute);
            });
            rows.insert(exemplars.hash(attributes), row);
            if is_overflow && count == 1 {
                overflow = Some(row);
            }
            row += 1;
        });
        Self { data, rows, overflow, keys: OnceCell::new() }
    }

    /// The row of the point with these attributes.
    fn row(&self, hash: u64) -> Option<u32> {
        self.rows.get(&hash).copied()
    }

    /// The row of the point that has counted the measurements of a series. `None` if that is not sure.
    ///
    /// The SDK gives each series a point, and keeps it. Beyond its limit, it counts new series in the overflow point. So if
    /// no point has the attributes of a series, there are three possibilities:
    ///
    /// - The SDK has counted it in the overflow point.
    /// - A view has removed attributes. No point has the keys of these attributes.
    /// - It was measured after the points were collected. Then the next scrape finds its point.
    fn row_of_series(&self, hash: u64, series: &SeriesExemplars) -> Option<u32> {
        if let Some(row) = self.row(hash) {
            series.see(Seen::Point);
            return Some(row);
        }
        let attributes = series.attributes()?;
        if attributes.is_empty() || series.is_empty() {
            return None;
        }
        let earlier = series.see(Seen::Missing);
        if earlier == Seen::Point {
            // The point belongs to another instrument with the same name.
            return None;
        }
        let kept = attributes.iter().filter(|(key, _)| self.have_key(key));
        if let Some(overflow) = self.overflow {
            // With a key that no point has, a view may have removed the attribute.
            return (kept.count() == attributes.len()).then_some(overflow);
        }
        let hash = kept.fold(0, |sum: u64, (_, hash)| sum.wrapping_add(*hash));
        if earlier == Seen::Missing { self.row(hash) } else { None }
    }

    /// Whether the attributes of a point have this key.
    fn have_key(&self, key: &Key) -> bool {
        let keys = self.keys.get_or_init(|| {
            let mut keys = HashSet::default();
            points::for_each_attributes(self.data, |attributes| {
                for KeyValue { key, .. } in attributes {
                    if !keys.contains(key) {
                        keys.insert(key.clone());
                    }
                }
            });
            keys
        });
        keys.contains(key)
    }
}

/// Whether it is the only attribute of the point in which the SDK counts the series beyond its limit.
fn is_of_overflow(attribute: &KeyValue) -> bool {
    attribute.value == Value::Bool(true) && attribute.key.as_str() == "otel.metric.overflow"
}

/// The hash of no attributes. The SDK has no limit for this series.
const NO_ATTRIBUTES: u64 = 0;
