//! The values of a metric whose instrument does not exist yet.

use crate::record::per_instrument::PerInstrument;
use crate::record::series::SeriesKey;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The aggregated values of one metric, by the index of their series. The memory depends on the number of series, not on the
/// number of values.
#[derive(Debug)]
pub(crate) struct PendingValues {
    boundaries: Arc<[f64]>,
    series: BTreeMap<usize, PendingSeries>,
}

#[derive(Debug)]
pub(crate) struct PendingSeries {
    pub(crate) key: SeriesKey,
    /// The sums, and the last value of the gauge.
    totals: PerInstrument<f64>,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl PendingValues {
    pub(crate) fn new(boundaries: &[f64]) -> Self {
        Self { boundaries: boundaries.into(), series: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    pub(crate) fn add(&mut self, index: usize, key: SeriesKey, numbers: PerInstrument<f64>) {
        let Self { boundaries, series } = self;
        let pending = series.entry(index).or_insert_with(|| PendingSeries {
            key,
            totals: PerInstrument::default(),
            buckets: Vec::new(),
        });
        let PendingSeries { key: _, totals, buckets } = pending;
        let PerInstrument { sum, up_down, histogram, gauge } = numbers;
        let add = |total: &mut Option<f64>, value: Option<f64>| {
            if let Some(value) = value {
                *total = Some(total.unwrap_or(0.0) + value);
            }
        };
        add(&mut totals.sum, sum);
        add(&mut totals.up_down, up_down);
        totals.gauge = gauge.or(totals.gauge);
        if let Some(value) = histogram {
            buckets.resize(boundaries.len() + 1, Bucket::EMPTY);
            // As in the SDK, a value is in the bucket of the first boundary that is not below the value.
            buckets[boundaries.partition_point(|boundary| *boundary < value)].add(value);
        }
    }

    /// Removes and returns all values.
    pub(crate) fn take(&mut self) -> BTreeMap<usize, PendingSeries> {
        std::mem::take(&mut self.series)
    }
}

impl PendingSeries {
    /// What to record for these values. A histogram gets the same number of values in each bucket, with the same sum.
    pub(crate) fn values(&self) -> impl Iterator<Item = PerInstrument<f64>> {
        let histogram =
            |value| PerInstrument { histogram: Some(value), ..PerInstrument::default() };
        let totals = (!self.totals.is_empty()).then_some(self.totals);
        totals.into_iter().chain(self.buckets.iter().flat_map(Bucket::values).map(histogram))
    }
}

impl Bucket {
    const EMPTY: Self = Self { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    fn add(&mut self, value: f64) {
        let Self { count, sum, min, max } = self;
        *count += 1;
        *sum += value;
        *min = min.min(value);
        *max = max.max(value);
    }

    /// Returns as many values as the bucket has: the smallest, the largest, and the mean of the others once for each of them.
    fn values(&self) -> impl Iterator<Item = f64> + use<> {
        let Self { count, sum, min, max } = *self;
        let others = count.saturating_sub(2);
        let mean = (sum - min - max) / others as f64;
        // Rounding or an infinite sum must not move the mean out of the bucket.
        let mean = mean.max(min).min(max);
        let ends = [(count > 0).then_some(min), (count > 1).then_some(max)];
        ends.into_iter().flatten().chain((0..others).map(move |_| mean))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_keeps_its_count_sum_minimum_and_maximum() {
        let mut bucket = Bucket::EMPTY;
        assert_eq!(bucket.values().count(), 0);
        for (count, value) in (1..).zip([4.0, 1.0, 2.5, 3.0, 1.5]) {
            bucket.add(value);
            let values: Vec<_> = bucket.values().collect();
            assert_eq!(values.len(), count);
            let sum: f64 = values.iter().sum();
            assert!((sum - bucket.sum).abs() < 1e-9, "{values:?}");
            assert!(values.iter().all(|value| (bucket.min..=bucket.max).contains(value)));
            assert!(values.contains(&bucket.min) && values.contains(&bucket.max));
        }
        let mut large = Bucket::EMPTY;
        (0..4).for_each(|_| large.add(f64::MAX));
        assert_eq!(large.values().collect::<Vec<_>>(), [f64::MAX; 4]);
    }

    #[test]
    fn values_are_aggregated_by_series() {
        let mut pending = PendingValues::new(&[1.0, 10.0]);
        assert!(pending.is_empty());
        let key = SeriesKey::default();
        let number = |value| PerInstrument {
            gauge: Some(value),
            sum: Some(value),
            ..PerInstrument::default()
        };
        for value in [1.0, 2.0, 3.0] {
            pending.add(7, key, number(value));
            pending.add(
                9,
                key,
                PerInstrument { histogram: Some(value * 5.0), ..PerInstrument::default() },
            );
        }
        let taken = pending.take();
        assert!(pending.is_empty());
        let values = |index: usize| taken[&index].values().collect::<Vec<_>>();
        assert_eq!(values(7), [PerInstrument { sum: Some(6.0), ..number(3.0) }]);
        let histogram =
            values(9).iter().filter_map(|numbers| numbers.histogram).collect::<Vec<_>>();
        assert_eq!(histogram, [5.0, 10.0, 15.0]);
    }
}
