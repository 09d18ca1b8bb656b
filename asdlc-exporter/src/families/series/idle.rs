//! Finds idle series: series whose value has not changed for some time. They are hidden. When the value of a
//! hidden series changes, it starts again like a new series.
//!
//! The SDK returns a cumulative series for ever. So the state of a series has its last value, when it changed, and
//! what to subtract.

use crate::families::{
    model::{FamilyKind, HistogramValue, Number},
    series::table::Series,
};
use std::{
    mem,
    time::{Duration, Instant},
};

/// What is known about a series that can be idle. It is kept between collections.
#[derive(Debug, Default)]
pub(crate) struct IdleState {
    /// In the last collection. 0 for a counter or gauge.
    count: u64,
    /// In the last collection: the value, or the sum of a histogram or summary.
    value: Number,
    /// `None` if the series has not been collected yet.
    changed_at: Option<Instant>,
    is_hidden: bool,
    /// The values when it was last hidden, to subtract. `None` if there is nothing to subtract: it was
    /// never hidden, was 0 then, was reset since, or is a gauge.
    base: Option<Box<Values>>,
}

/// The values of a series of any kind, without quantiles: these do not accumulate. A histogram has all of them,
/// a summary count and sum, and the sum is also the value of a counter or gauge.
pub(crate) type Values = HistogramValue;

/// What is the same for all series of a family.
#[derive(Clone, Copy)]
pub(crate) struct Observation {
    pub(crate) kind: FamilyKind,
    /// Whether a missing series was removed, which only a registry does. Then it starts anew.
    pub(crate) can_be_removed: bool,
    pub(crate) now: Instant,
    /// `None` if no series of the family can be idle.
    pub(crate) idle_timeout: Option<Duration>,
}

impl IdleState {
    pub(crate) fn is_hidden(&self) -> bool {
        self.is_hidden
    }

    /// What to subtract from the values of the series.
    #[inline]
    pub(crate) fn base(&self) -> Option<&Values> {
        self.base.as_deref()
    }

    /// Compares the values with those of the last collection. Returns whether the series starts again: it is
    /// no longer hidden, or was reset.
    pub(crate) fn update(
        &mut self,
        Observation { kind, now, idle_timeout, .. }: Observation,
        values: &Values,
    ) -> bool {
        let (was_hidden, is_new) = (self.is_hidden, self.changed_at.is_none());
        let is_less = kind.accumulates()
            && (values.count < self.count
                || kind == FamilyKind::Counter && values.sum.is_less(self.value));
        // A value that a histogram records changes the count. So buckets need not be compared.
        if is_new || self.count != values.count || !self.value.is_same(values.sum) {
            (self.count, self.value) = (values.count, values.sum);
            self.changed_at = Some(now);
        }
        let unchanged = now.saturating_duration_since(self.changed_at.unwrap_or(now));
        self.is_hidden = idle_timeout.is_some_and(|timeout| unchanged >= timeout);
        if self.is_hidden && !was_hidden {
            self.base = base(kind, values);
        }
        // The metric was reset, which a registry allows. It counts from 0 again.
        let is_reset = self.base.as_ref().is_some_and(|base| !is_before(base, kind, values));
        if is_reset {
            self.base = None;
        }
        was_hidden && !self.is_hidden || !is_new && is_less || is_reset
    }
}

/// Replaces the values by those of the series.
pub(crate) fn read_values(values: &mut Values, kind: FamilyKind, series: &Series<'_, '_>) {
    match kind {
        FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Unknown | FamilyKind::TargetInfo => {
            values.sum = series.value();
        }
        FamilyKind::Histogram => series.histogram(values),
        FamilyKind::Summary => (values.count, values.sum) = series.summary(&mut Vec::new()),
    }
}

/// What to subtract from later values. `None` if that is nothing.
fn base(kind: FamilyKind, values: &Values) -> Option<Box<Values>> {
    let is_counted = match kind {
        FamilyKind::Counter => values.sum.float() != 0.0,
        FamilyKind::Histogram | FamilyKind::Summary => values.count > 0,
        FamilyKind::Gauge | FamilyKind::Unknown | FamilyKind::TargetInfo => false,
    };
    is_counted.then(|| Box::new(values.clone()))
}

/// Whether later values contain the base, so that all differences are valid values.
fn is_before(base: &Values, kind: FamilyKind, later: &Values) -> bool {
    if kind == FamilyKind::Counter {
        return !later.sum.is_less(base.sum);
    }
    let mut last = 0;
    let counts = later
        .buckets
        .iter()
        .filter_map(|bucket| Some((bucket.cumulative, base.classic_bucket(bucket.bound)?)));
    counts.chain([(later.count, base.count)]).all(|(later, earlier)| {
        let difference = later.checked_sub(earlier);
        difference.is_some_and(|difference| mem::replace(&mut last, difference) <= difference)
    })
}

#[cfg(test)]
mod tests;
