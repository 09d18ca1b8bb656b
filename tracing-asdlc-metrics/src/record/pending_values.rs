//! Values that wait for their instrument, added up.

use crate::layer::capture::Numbers;
use crate::record::series::Key;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The values of one metric, by the place of their series: as many as its series, however many values there are.
#[derive(Debug)]
pub(crate) struct Held {
    boundaries: Arc<[f64]>,
    series: BTreeMap<usize, HeldSeries>,
}

#[derive(Debug)]
pub(crate) struct HeldSeries {
    pub(crate) key: Key,
    /// The sums, and the last value of the gauge.
    totals: Numbers<f64>,
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Held {
    pub(crate) fn new(boundaries: &[f64]) -> Self {
        Self { boundaries: boundaries.into(), series: BTreeMap::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    pub(crate) fn add(&mut self, place: usize, key: Key, numbers: Numbers<f64>) {
        let Self { boundaries, series } = self;
        let held = series.entry(place).or_insert_with(|| HeldSeries {
            key,
            totals: Numbers::default(),
            buckets: Vec::new(),
        });
        let HeldSeries { key: _, totals, buckets } = held;
        let Numbers { sum, up_down, histogram, gauge } = numbers;
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
            // The first boundary that is not below the value, as in the SDK.
            buckets[boundaries.partition_point(|boundary| *boundary < value)].add(value);
        }
    }

    /// Takes all values out.
    pub(crate) fn take(&mut self) -> BTreeMap<usize, HeldSeries> {
        std::mem::take(&mut self.series)
    }
}

impl HeldSeries {
    /// What to record instead of the values: as many of them, with their sum, each in its bucket.
    pub(crate) fn values(&self) -> impl Iterator<Item = Numbers<f64>> {
        let histogram = |value| Numbers { histogram: Some(value), ..Numbers::default() };
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

    /// The smallest and the largest value as they were, the others at their mean.
    fn values(&self) -> impl Iterator<Item = f64> + use<> {
        let Self { count, sum, min, max } = *self;
        let others = count.saturating_sub(2);
        let mean = (sum - min - max) / others as f64;
        // It may have been rounded, or be infinite: never out of the bucket.
        let mean = mean.max(min).min(max);
        let ends = [(count > 0).then_some(min), (count > 1).then_some(max)];
        ends.into_iter().flatten().chain((0..others).map(move |_| mean))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_back_count_sum_smallest_and_largest() {
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
    fn values_are_kept_by_series_and_added_up() {
        let mut held = Held::new(&[1.0, 10.0]);
        assert!(held.is_empty());
        let key = Key::default();
        let number = |value| Numbers { gauge: Some(value), sum: Some(value), ..Numbers::default() };
        for value in [1.0, 2.0, 3.0] {
            held.add(7, key, number(value));
            held.add(9, key, Numbers { histogram: Some(value * 5.0), ..Numbers::default() });
        }
        let taken = held.take();
        assert!(held.is_empty());
        let values = |place: usize| taken[&place].values().collect::<Vec<_>>();
        assert_eq!(values(7), [Numbers { sum: Some(6.0), ..number(3.0) }]);
        let histogram =
            values(9).iter().filter_map(|numbers| numbers.histogram).collect::<Vec<_>>();
        assert_eq!(histogram, [5.0, 10.0, 15.0]);
    }
}
