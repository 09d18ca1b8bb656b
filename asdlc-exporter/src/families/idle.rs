//! Hides series that have not changed for some time. A series that changes again starts as a new
//! series would.
//!
//! The SDK returns a cumulative series for ever. So this file keeps what it needs to know about each
//! series: its last value, when it changed, and what to subtract.

use crate::families::{
    family::Family,
    idle_timeout::IdleTimeout,
    labels::Labels,
    model::{Bucket, FamilyKind, HistogramValue, Number, Quantile, UnixTime},
    series::Series,
};
use std::{
    collections::HashMap,
    mem,
    time::{Duration, Instant},
};

/// What is known about the series of all families. It is kept between scrapes.
#[derive(Debug)]
pub(crate) struct IdleSeries {
    timeout: Duration,
    /// By the id of the family.
    families: Vec<IdleFamily>,
}

/// The series of one family at its last collection, in the order in which they are served.
#[derive(Debug, Default)]
pub(crate) struct IdleFamily {
    /// The labels of the series, one after the other.
    labels: Vec<u8>,
    known: Vec<KnownSeries>,
    hidden: usize,
    /// By their labels, the series that were hidden once and were missing in the last collections. An
    /// observable instrument misses a series if its callback fails before it observes it.
    missing: HashMap<Vec<u8>, MissingSeries>,
}

#[derive(Debug)]
struct MissingSeries {
    series: KnownSeries,
    since: Instant,
}

#[derive(Debug)]
struct KnownSeries {
    /// Where its labels end.
    labels_end: usize,
    /// In the last collection. 0 for a counter or gauge.
    count: u64,
    /// In the last collection: the value, or the sum of a histogram or summary.
    value: Number,
    changed_at: Instant,
    is_hidden: bool,
    /// The values when it was last hidden, to subtract. `None` if there is nothing to subtract: it was
    /// never hidden, was 0 then, was reset since, or is a gauge.
    base: Option<Box<Values>>,
}

/// The values of a series, without quantiles: these do not accumulate.
#[derive(Clone, Debug)]
struct Values {
    /// Of a histogram or summary.
    count: u64,
    /// Of a counter or gauge, or the sum of a histogram or summary.
    value: Number,
    buckets: Vec<Bucket>,
}

/// A series that is not hidden, with the values to serve.
pub(crate) struct ShownSeries<'t, 'a> {
    series: Series<'t, 'a>,
    base: Option<&'t Values>,
}

impl IdleSeries {
    pub(crate) fn new(timeout: &IdleTimeout) -> Self {
        Self { timeout: timeout.timeout(), families: Vec::new() }
    }

    /// Compares the series of a collection with those of the last one. `now` is the time of the
    /// collection. `None` if no series of the family can be idle.
    ///
    /// A second call with the same series and the same time changes nothing. So all texts of one collection
    /// have the same series.
    pub(crate) fn observe<'t, 'a: 't>(
        &mut self,
        family: &Family<'a, '_>,
        now: Instant,
        series: impl Iterator<Item = Series<'t, 'a>>,
    ) -> Option<&IdleFamily> {
        if !family.description.can_be_idle {
            return None;
        }
        if self.families.len() <= family.id {
            self.families.resize_with(family.id + 1, IdleFamily::default);
        }
        let known = &mut self.families[family.id];
        known.observe(
            Observation {
                kind: family.description.kind,
                can_be_removed: !family.is_recorded(),
                now,
                timeout: self.timeout,
            },
            series,
        );
        Some(known)
    }
}

/// The series that are not hidden. All, if `family` is `None`.
#[inline]
pub(crate) fn shown<'t, 'a: 't>(
    family: Option<&'t IdleFamily>,
    series: impl Iterator<Item = Series<'t, 'a>>,
) -> impl Iterator<Item = ShownSeries<'t, 'a>> {
    series.enumerate().filter_map(move |(at, series)| {
        let Some(family) = family else { return Some(ShownSeries { series, base: None }) };
        let KnownSeries { is_hidden, base, .. } = &family.known[at];
        (!is_hidden).then_some(ShownSeries { series, base: base.as_deref() })
    })
}

impl IdleFamily {
    /// Whether the family has series, and none is shown.
    pub(crate) fn is_hidden(&self) -> bool {
        self.hidden > 0 && self.hidden == self.known.len()
    }

    fn observe<'t, 'a: 't>(
        &mut self,
        observation: Observation,
        series: impl Iterator<Item = Series<'t, 'a>>,
    ) {
        let Self { labels, known, hidden, missing } = self;
        let (mut own, mut values) = (Vec::new(), Values::default());
        let (mut count, mut start) = (0, 0);
        let mut series = series.peekable();
        // Mostly, the series are those of the last collection, in the same order.
        while let Some(next) = series.peek() {
            own.clear();
            next.labels().write(&mut own);
            let Some(same) = known.get_mut(count).filter(|it| labels[start..it.labels_end] == *own)
            else {
                break;
            };
            values.read(observation.kind, next);
            same.update(observation, &values);
            (count, start) = (count + 1, same.labels_end);
            series.next();
        }
        // The others are found by their labels.
        let (moved, old) = (labels.split_off(start), known.split_off(count));
        let mut begin = 0;
        let mut old: HashMap<&[u8], KnownSeries> = old
            .into_iter()
            .map(|it| {
                let end = it.labels_end - start;
                (&moved[mem::replace(&mut begin, end)..end], it)
            })
            .collect();
        for next in series {
            own.clear();
            next.labels().write(&mut own);
            values.read(observation.kind, &next);
            let found = old
                .remove(own.as_slice())
                .or_else(|| missing.remove(&own).map(|missing| missing.series));
            let mut it = found.unwrap_or_else(|| KnownSeries::new(observation.now, &values));
            labels.extend_from_slice(&own);
            it.labels_end = labels.len();
            it.update(observation, &values);
            known.push(it);
        }
        // Series that were hidden must not come back with their whole values after one collection without
        // them.
        let Observation { can_be_removed, now, timeout, .. } = observation;
        let is_kept =
            |(_, it): &(&[u8], KnownSeries)| !can_be_removed && (it.is_hidden || it.base.is_some());
        missing.extend(
            old.into_iter()
                .filter(is_kept)
                .map(|(labels, series)| (labels.to_owned(), MissingSeries { series, since: now })),
        );
        missing.retain(|_, it| now.saturating_duration_since(it.since) < timeout);
        *hidden = known.iter().filter(|it| it.is_hidden).count();
    }
}

/// What is the same for all series of a family.
#[derive(Clone, Copy)]
struct Observation {
    kind: FamilyKind,
    /// Whether a missing series was removed, which only a registry does. Then it starts anew.
    can_be_removed: bool,
    now: Instant,
    timeout: Duration,
}

impl KnownSeries {
    fn new(now: Instant, values: &Values) -> Self {
        let Values { count, value, .. } = *values;
        Self { labels_end: 0, count, value, changed_at: now, is_hidden: false, base: None }
    }

    fn update(&mut self, Observation { kind, now, timeout, .. }: Observation, values: &Values) {
        // A value that a histogram records changes the count. So buckets need not be compared.
        if self.count != values.count || !self.value.is_same(values.value) {
            (self.count, self.value) = (values.count, values.value);
            self.changed_at = now;
        }
        let was_hidden = self.is_hidden;
        self.is_hidden = now.saturating_duration_since(self.changed_at) >= timeout;
        if self.is_hidden && !was_hidden {
            self.base = values.base(kind).map(Box::new);
        }
        // The metric was reset, which a registry allows. It counts from 0 again.
        if self.base.as_ref().is_some_and(|base| !base.is_before(kind, values)) {
            self.base = None;
        }
    }
}

impl Values {
    fn read(&mut self, kind: FamilyKind, series: &Series<'_, '_>) {
        self.buckets.clear();
        (self.count, self.value) = match kind {
            FamilyKind::Counter
            | FamilyKind::Gauge
            | FamilyKind::Unknown
            | FamilyKind::TargetInfo => (0, series.value()),
            FamilyKind::Histogram => {
                let mut value = HistogramValue::default();
                series.histogram(&mut value);
                self.buckets = value.buckets;
                (value.count, value.sum)
            }
            FamilyKind::Summary => series.summary(&mut Vec::new()),
        };
    }

    /// What to subtract from later values. `None` if that is nothing.
    fn base(&self, kind: FamilyKind) -> Option<Self> {
        let is_counted = match kind {
            FamilyKind::Counter => self.value.float() != 0.0,
            FamilyKind::Histogram | FamilyKind::Summary => self.count > 0,
            FamilyKind::Gauge | FamilyKind::Unknown | FamilyKind::TargetInfo => false,
        };
        is_counted.then(|| self.clone())
    }

    /// Whether the later values contain these, so that all differences are valid values.
    fn is_before(&self, kind: FamilyKind, later: &Self) -> bool {
        if kind == FamilyKind::Counter {
            return !later.value.is_less(self.value);
        }
        let mut last = 0;
        let counts = later
            .buckets
            .iter()
            .filter_map(|bucket| Some((bucket.cumulative, self.bucket(bucket.bound)?)));
        counts.chain([(later.count, self.count)]).all(|(later, earlier)| {
            let difference = later.checked_sub(earlier);
            difference.is_some_and(|difference| mem::replace(&mut last, difference) <= difference)
        })
    }

    /// The cumulative count of the bucket with this boundary.
    fn bucket(&self, bound: f64) -> Option<u64> {
        let at = self.buckets.binary_search_by(|bucket| bucket.bound.total_cmp(&bound)).ok()?;
        Some(self.buckets[at].cumulative)
    }
}

impl Default for Values {
    fn default() -> Self {
        Self { count: 0, value: Number::U64(0), buckets: Vec::new() }
    }
}

impl<'t> ShownSeries<'t, '_> {
    #[inline]
    pub(crate) fn labels(&self) -> Labels<'t> {
        self.series.labels()
    }

    /// The value of a counter or gauge.
    #[inline]
    pub(crate) fn value(&self) -> Number {
        self.since_base(0, self.series.value()).1
    }

    /// Replaces `value` by that of a histogram.
    #[inline]
    pub(crate) fn histogram(&self, value: &mut HistogramValue) {
        self.series.histogram(value);
        if let Some(base) = self.base {
            // As in `Series::histogram`, only boundaries that are known from both are exact.
            value.buckets.retain_mut(|bucket| {
                let earlier = base.bucket(bucket.bound);
                bucket.cumulative = bucket.cumulative.saturating_sub(earlier.unwrap_or_default());
                earlier.is_some()
            });
        }
        (value.count, value.sum) = self.since_base(value.count, value.sum);
    }

    /// The moment before which it had no value. `None` if that is not known.
    pub(crate) fn start(&self) -> Option<UnixTime> {
        None
    }

    /// Replaces `quantiles` by those of a summary and returns count and sum.
    pub(crate) fn summary(&self, quantiles: &mut Vec<Quantile>) -> (u64, Number) {
        let (count, sum) = self.series.summary(quantiles);
        self.since_base(count, sum)
    }

    #[inline]
    fn since_base(&self, count: u64, value: Number) -> (u64, Number) {
        let Some(base) = self.base else { return (count, value) };
        (count.saturating_sub(base.count), value.minus(base.value))
    }
}

#[cfg(test)]
mod tests;
