//! Finds the exemplars of the series of a family.

use crate::{
    exemplars::{Exemplar, store::ExemplarStore},
    families::{
        family::{Family, Member},
        model::FamilyKind,
        points,
    },
    unix_time::UnixTime,
};
use foldhash::fast::RandomState;
use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::metrics::data::Metric;
use std::collections::HashMap;

/// The exemplars of one family. Its memory is reused for the next family.
#[derive(Debug, Default)]
pub(crate) struct FamilyExemplars {
    /// Each with the row of its point, sorted by row and value.
    found: Vec<(u32, Exemplar)>,
    /// The row of each point of a metric, by the hash of its attributes.
    rows: HashMap<u64, u32, RandomState>,
}

impl FamilyExemplars {
    /// Finds the exemplars of a family that are not too old. None has the value NaN, which is in no bucket. Rows are
    /// numbered as in the [`SeriesTable`](super::series::SeriesTable): by the order of points. `None` if there are none.
    pub(crate) fn load(
        &mut self,
        family: &Family<'_, '_>,
        store: &ExemplarStore,
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
                self.find(store, (metric, scope), row, oldest);
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
        store: &ExemplarStore,
        (metric, scope): (&Metric, &InstrumentationScope),
        first_row: u32,
        oldest: UnixTime,
    ) {
        let Self { found, rows } = self;
        let data = metric.data();
        let mut add = |row: u32, exemplar: &Exemplar| {
            if exemplar.time >= oldest && !exemplar.value.is_nan() {
                found.push((row, *exemplar));
            }
        };
        points::for_each_exemplar(data, |at, exemplar| add(first_row + at, exemplar));
        let Some(exemplars) = store.find(scope, metric.name()) else { return };
        exemplars.set_buckets(points::buckets(data));
        rows.clear();
        let (mut row, mut overflow) = (first_row, None);
        points::for_each_attributes(data, |attributes| {
            let mut is_overflow = false;
            let attributes =
                attributes.inspect(|attribute| is_overflow |= attribute.key.as_str() == OVERFLOW);
            rows.insert(exemplars.hash(attributes), row);
            if is_overflow {
                overflow = Some(row);
            }
            row += 1;
        });
        exemplars.for_each(|hash, exemplar| {
            let own = hash.and_then(|hash| rows.get(&hash).copied());
            // The SDK counts the series beyond its limit in one, and does not say which they are.
            if let Some(row) = own.or(overflow) {
                add(row, exemplar);
            }
        });
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

/// The attribute of the series that the SDK counts label sets beyond its limit in.
const OVERFLOW: &str = "otel.metric.overflow";
