//! Exponential histograms of OpenTelemetry: as native histograms of Prometheus, and as classic buckets.
//!
//! Both have buckets with boundaries at powers of `base = 2^(2^-scale)`. OpenTelemetry's bucket `i` ends at
//! `base^(i+1)`, Prometheus' bucket `i` at `base^i`. A bucket of a scale is the union of two buckets of the
//! next greater scale. So counts stay exact if the scale is lowered, and counts up to a power of two are exact.

use crate::families::model::{Bucket, HistogramValue, NativeBuckets, NativeHistogram};
use std::{iter, mem, ops::RangeInclusive};

/// The boundaries of the classic buckets of a native histogram: `2^first`, `2^(first+step)` and so on.
///
/// They do not depend on the values, so they stay the same from scrape to scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClassicBounds {
    first: i32,
    last: i32,
    step: i32,
}

impl ClassicBounds {
    /// The boundaries for values of this unit, which is in Prometheus' words.
    pub(crate) fn of_unit(unit: &str) -> Self {
        let (first, last, step) = match unit {
            // About a millisecond to about a minute.
            "seconds" => (-10, 6, 1),
            "milliseconds" => (0, 16, 1),
            "microseconds" => (10, 26, 1),
            "nanoseconds" => (20, 36, 1),
            "bytes" => (6, 30, 2),
            _ => (-10, 30, 2),
        };
        Self { first, last, step }
    }

    /// The exponents of the boundaries.
    fn exponents(self) -> impl Iterator<Item = i32> {
        (self.first..=self.last).step_by(self.step.unsigned_abs() as usize)
    }
}

impl Default for ClassicBounds {
    /// The boundaries for values of any unit.
    fn default() -> Self {
        Self::of_unit("")
    }
}

impl HistogramValue {
    /// Adds the values of another histogram. If only one of them is native, its classic buckets have these
    /// boundaries.
    pub(crate) fn add(&mut self, mut other: Self, bounds: ClassicBounds) {
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.plus(other.sum);
        if self.is_native && other.is_native {
            self.native.add(other.native);
            return;
        }
        for histogram in [&mut *self, &mut other] {
            if mem::take(&mut histogram.is_native) {
                histogram.set_classic(bounds);
            }
        }
        self.buckets.retain_mut(|bucket| {
            let other = other.buckets.iter().find(|other| other.bound == bucket.bound);
            bucket.cumulative =
                bucket.cumulative.saturating_add(other.map_or(0, |other| other.cumulative));
            other.is_some()
        });
    }

    /// Removes the values of an earlier state of this histogram.
    ///
    /// Only what is known from both is left: shared boundaries, and native buckets if both have them.
    pub(crate) fn subtract(&mut self, earlier: &Self) {
        self.count = self.count.saturating_sub(earlier.count);
        self.sum = self.sum.minus(earlier.sum);
        self.is_native =
            self.is_native && earlier.is_native && self.native.subtract(&earlier.native);
        let buckets = self.buckets.len();
        self.buckets.retain_mut(|bucket| {
            let before = earlier.classic_bucket(bucket.bound);
            bucket.cumulative = bucket.cumulative.saturating_sub(before.unwrap_or_default());
            before.is_some()
        });
        self.has_last_bounds &= self.buckets.len() == buckets;
    }

    /// The cumulative count of the classic bucket with this boundary.
    pub(crate) fn classic_bucket(&self, bound: f64) -> Option<u64> {
        let at = self.buckets.binary_search_by(|bucket| bucket.bound.total_cmp(&bound)).ok()?;
        Some(self.buckets[at].cumulative)
    }

    /// Replaces the classic buckets by buckets with these boundaries, which count the values of `native`.
    ///
    /// If Prometheus would reject the native histogram, the value is a classic histogram afterwards.
    pub(crate) fn set_classic(&mut self, bounds: ClassicBounds) {
        self.is_native = self.is_native && self.native.is_valid(self.count);
        let NativeHistogram { schema, zero_count, positive, negative } = &self.native;
        self.buckets.clear();
        // All boundaries are positive, so each bucket has the negative values and the zeros.
        let mut cumulative = negative.total().saturating_add(*zero_count);
        let mut rest = positive.counts.as_slice();
        let mut next = i64::from(positive.first);
        for exponent in bounds.exponents() {
            let Some(index) = index_of_power(exponent, *schema) else { continue };
            let up_to = usize::try_from(i64::from(index) - next + 1).unwrap_or(0).min(rest.len());
            let (below, above) = rest.split_at(up_to);
            cumulative = cumulative.saturating_add(sum(below));
            (rest, next) = (above, next + up_to as i64);
            self.buckets.push(Bucket { bound: f64::from(exponent).exp2(), cumulative });
        }
    }
}

/// The sum of counts. It does not overflow: each value was counted one by one.
fn sum(counts: &[u64]) -> u64 {
    // Compiled to vector instructions, unlike a sum that is checked.
    counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
}

/// The index of the bucket that ends at `2^exponent`. `None` if no bucket ends there.
fn index_of_power(exponent: i32, schema: i8) -> Option<i32> {
    if schema >= 0 {
        return Some(exponent << schema);
    }
    let width = 1 << -schema;
    (exponent % width == 0).then(|| exponent >> -schema)
}

impl NativeHistogram {
    /// The least and the greatest schema that Prometheus has.
    pub(crate) const SCHEMAS: RangeInclusive<i8> = -4..=8;

    /// Whether Prometheus accepts a native histogram with these buckets and this count.
    ///
    /// A very low scale is the result of a very small maximum of buckets. With one or two buckets, the SDK
    /// also drops values that it has counted.
    pub(crate) fn is_valid(&self, count: u64) -> bool {
        let total = self.zero_count.saturating_add(self.positive.total());
        Self::SCHEMAS.contains(&self.schema) && total.saturating_add(self.negative.total()) == count
    }

    /// Lowers the schema to 8, the greatest one that Prometheus accepts.
    pub(crate) fn limit_schema(&mut self) {
        self.lower_to(*Self::SCHEMAS.end());
    }

    /// Adds the values of another histogram.
    pub(crate) fn add(&mut self, mut other: Self) {
        other.lower_to(self.schema);
        self.lower_to(other.schema);
        self.zero_count = self.zero_count.saturating_add(other.zero_count);
        self.positive.add(&other.positive);
        self.negative.add(&other.negative);
    }

    /// Removes the values of an earlier state of this histogram. Does nothing and returns false if it has
    /// values that this one does not have.
    pub(crate) fn subtract(&mut self, earlier: &Self) -> bool {
        let mut earlier = earlier.clone();
        earlier.lower_to(self.schema);
        let mut rest = self.clone();
        rest.lower_to(earlier.schema);
        let Some(zero_count) = rest.zero_count.checked_sub(earlier.zero_count) else {
            return false;
        };
        if !rest.positive.subtract(&earlier.positive) || !rest.negative.subtract(&earlier.negative)
        {
            return false;
        }
        *self = Self { zero_count, ..rest };
        true
    }

    /// Merges buckets until the schema is at most this one.
    fn lower_to(&mut self, schema: i8) {
        let by = self.schema.saturating_sub(schema);
        if by > 0 {
            self.positive.merge(by.unsigned_abs().into());
            self.negative.merge(by.unsigned_abs().into());
            self.schema = schema;
        }
    }
}

impl NativeBuckets {
    /// Replaces the buckets by those of OpenTelemetry, whose first index is `offset`.
    pub(crate) fn read(&mut self, offset: i32, counts: impl Iterator<Item = u64>) {
        self.counts.clear();
        self.counts.extend(counts);
        self.first = offset.saturating_add(1);
        self.trim();
    }

    pub(crate) fn total(&self) -> u64 {
        sum(&self.counts)
    }

    /// Merges each run of `2^by` buckets.
    fn merge(&mut self, by: u32) {
        if self.counts.is_empty() {
            return;
        }
        let first = self.merged_index(0, by);
        let mut last = 0;
        for at in 0..self.counts.len() {
            let to = self.merged_index(at, by).abs_diff(first) as usize;
            let count = mem::take(&mut self.counts[at]);
            self.counts[to] = self.counts[to].saturating_add(count);
            last = to;
        }
        self.counts.truncate(last + 1);
        self.first = first;
    }

    /// The index, after a merge, of the bucket at this position.
    fn merged_index(&self, at: usize, by: u32) -> i32 {
        // Prometheus' index is that of the end of a bucket: buckets 1 to 2^by become bucket 1.
        let start = i64::from(self.first) + at as i64 - 1;
        (start >> by.min(31)) as i32 + 1
    }

    fn add(&mut self, other: &Self) {
        if other.counts.is_empty() {
            return;
        }
        if self.counts.is_empty() {
            self.clone_from(other);
            return;
        }
        let before = self.first.saturating_sub(other.first).max(0).unsigned_abs() as usize;
        self.counts.splice(0..0, iter::repeat_n(0, before));
        self.first = self.first.min(other.first);
        let shift = other.first.abs_diff(self.first) as usize;
        let end = shift + other.counts.len();
        self.counts.resize(self.counts.len().max(end), 0);
        for (count, other) in self.counts[shift..].iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*other);
        }
    }

    /// Returns false if these buckets do not contain the earlier ones. Then the result is meaningless.
    fn subtract(&mut self, earlier: &Self) -> bool {
        for (at, earlier_count) in
            earlier.counts.iter().enumerate().filter(|(_, count)| **count > 0)
        {
            let index = i64::from(earlier.first) + at as i64 - i64::from(self.first);
            let count = usize::try_from(index).ok().and_then(|index| self.counts.get_mut(index));
            let Some((count, rest)) =
                count.and_then(|count| Some((count.checked_sub(*earlier_count)?, count)))
            else {
                return false;
            };
            *rest = count;
        }
        self.trim();
        true
    }

    /// Removes empty buckets at both ends.
    fn trim(&mut self) {
        let used = self.counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        self.counts.truncate(used);
        let empty = self.counts.iter().take_while(|count| **count == 0).count();
        if empty > 0 {
            self.counts.drain(..empty);
            self.first = self.first.saturating_add(empty as i32);
        }
        if self.counts.is_empty() {
            self.first = 0;
        }
    }
}

#[cfg(test)]
mod tests;
