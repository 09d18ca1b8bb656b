//! The newest exemplar of each bucket.

use super::sync::{Arc, Mutex, MutexGuard};
use crate::exemplars::Recorded;

/// The exemplars of one series, or of several, if each exemplar says which series it belongs to. Any number of threads may
/// record and read.
///
/// A lock protects the exemplars, so each is read and written as a whole. A thread waits only while another one records
/// or reads exemplars of the same reservoir.
#[derive(Debug)]
pub(crate) struct Reservoir<E>(Mutex<Slots<E>>);

#[derive(Debug)]
struct Slots<E> {
    buckets: Arc<Buckets>,
    /// Sorted. As much memory as there are buckets that ever had an exemplar.
    slots: Vec<Slot<E>>,
    /// The index of the slot that got the last exemplar: the next one is often of the same bucket.
    last: usize,
}

/// A bucket with an exemplar. The slot has the boundaries, so that they are searched for only with the bucket's first exemplar.
#[derive(Debug)]
struct Slot<E> {
    bucket: Bucket,
    exemplar: E,
}

/// The values above the first number, up to the second one and including it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    above: f64,
    up_to: f64,
}

/// Which values share one exemplar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Buckets {
    /// All: a counter.
    One,
    /// Those between two boundaries. The upper one belongs to the bucket.
    Boundaries(Box<[f64]>),
    /// Those between two powers of two. For native histograms, and until the boundaries are known.
    PowersOfTwo,
}

impl<E: Recorded> Reservoir<E> {
    pub(crate) fn new(buckets: Arc<Buckets>) -> Self {
        Self(Mutex::new(Slots { buckets, slots: Vec::new(), last: 0 }))
    }

    /// Records an exemplar, whose value has to be finite. It replaces the exemplar of its bucket, unless the latter is newer.
    /// Beyond [`MAX_SLOTS`] buckets, it replaces the oldest exemplar of all.
    #[inline(always)]
    pub(crate) fn record(&self, exemplar: E) {
        self.record_with(exemplar.value(), exemplar.time(), || exemplar);
    }

    /// Records the exemplar that `new` returns, which has this value and this time. `new` is called with the lock, so that its
    /// result is not copied before it is stored.
    #[inline(always)]
    pub(crate) fn record_with(&self, value: f64, time: E::Time, new: impl FnOnce() -> E) {
        self.lock().record(value, time, new);
    }

    /// Uses these buckets from now on.
    pub(crate) fn set_buckets(&self, buckets: &Arc<Buckets>) {
        let mut slots = self.lock();
        if *slots.buckets != **buckets {
            let old = std::mem::take(&mut slots.slots);
            slots.buckets = Arc::clone(buckets);
            for Slot { exemplar, .. } in old {
                slots.record(exemplar.value(), exemplar.time(), || exemplar);
            }
        }
    }

    /// Passes the exemplars to `read`, in the order of their values.
    pub(crate) fn for_each(&self, mut read: impl FnMut(&E)) {
        self.lock().slots.iter().for_each(|slot| read(&slot.exemplar));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().slots.is_empty()
    }

    /// Ignores a poisoned lock: nothing panics while it is held, except for a lack of memory.
    fn lock(&self) -> MutexGuard<'_, Slots<E>> {
        super::sync::lock(&self.0)
    }
}

impl<E: Recorded> Slots<E> {
    #[inline(always)]
    fn record(&mut self, value: f64, time: E::Time, new: impl FnOnce() -> E) {
        let has_value = |slot: &Slot<E>| slot.bucket.above < value && value <= slot.bucket.up_to;
        if !self.slots.get(self.last).is_some_and(has_value) {
            self.last = self.slots.partition_point(|slot| slot.bucket.up_to < value);
            if !self.slots.get(self.last).is_some_and(has_value) {
                return self.insert(self.last, new());
            }
        }
        let Some(slot) = self.slots.get_mut(self.last) else { return };
        if slot.exemplar.time() <= time {
            slot.exemplar = new();
        }
    }

    /// Inserts an exemplar into a bucket that has none, whose place among the slots is `at`.
    #[cold]
    fn insert(&mut self, mut at: usize, exemplar: E) {
        let Self { buckets, slots, .. } = self;
        let bucket = buckets.find(exemplar.value());
        if slots.len() < MAX_SLOTS {
            slots.reserve_exact(1);
        } else {
            let oldest = (0..slots.len()).min_by_key(|at| slots[*at].exemplar.time());
            if let Some(oldest) = oldest {
                slots.remove(oldest);
            }
            at = slots.partition_point(|slot| slot.bucket.up_to < bucket.up_to);
        }
        slots.insert(at, Slot { bucket, exemplar });
    }
}

impl Buckets {
    /// The bucket of a finite value.
    fn find(&self, value: f64) -> Bucket {
        match self {
            Self::One => Bucket { above: f64::NEG_INFINITY, up_to: f64::INFINITY },
            Self::Boundaries(bounds) => {
                let (below, others) = bounds.split_at(bounds.partition_point(|it| *it < value));
                Bucket {
                    above: below.last().copied().unwrap_or(f64::NEG_INFINITY),
                    up_to: others.first().copied().unwrap_or(f64::INFINITY),
                }
            }
            Self::PowersOfTwo if value > 0.0 => Bucket::between_powers(value),
            Self::PowersOfTwo if value < 0.0 => Bucket::between_powers(-value).negated(),
            Self::PowersOfTwo => Bucket { above: below(0.0), up_to: 0.0 },
        }
    }
}

impl Bucket {
    /// The bucket of a positive value between two powers of two.
    fn between_powers(value: f64) -> Self {
        // Minus 1: a power of two belongs to the bucket below it.
        let exponent = (value.to_bits() - 1) >> MANTISSA_BITS;
        let power = |exponent: u64| f64::from_bits(exponent << MANTISSA_BITS);
        Self { above: power(exponent), up_to: power(exponent + 1) }
    }

    /// The bucket of the negated values.
    fn negated(self) -> Self {
        Self { above: below(-self.up_to), up_to: below(-self.above) }
    }
}

/// The greatest number that is less than this one, which is not positive. (Rust 1.86 has `f64::next_down`.)
fn below(number: f64) -> f64 {
    if number.is_infinite() { number } else { f64::from_bits((-number.abs()).to_bits() + 1) }
}

/// How many buckets of a series can have an exemplar at the same time.
const MAX_SLOTS: usize = 256;
/// Of an `f64`.
const MANTISSA_BITS: u32 = 52;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exemplars::{Exemplar, SpanIds};
    use std::{thread, time::Instant};

    fn exemplar(value: f64, time: u64) -> Exemplar<u64> {
        Exemplar { value, time, span: SpanIds::default() }
    }

    fn kept(reservoir: &Reservoir<Exemplar<u64>>) -> Vec<(f64, u64)> {
        let mut kept = Vec::new();
        reservoir.for_each(|exemplar| kept.push((exemplar.value, exemplar.time)));
        kept
    }

    //
    #[test]
    fn each_bucket_has_its_newest_exemplar() {
        let buckets = Arc::new(Buckets::Boundaries([1.0, 2.0].into()));
        let reservoir = Reservoir::new(buckets);
        for (value, time) in [(5.0, 1), (0.5, 2), (1.0, 3), (f64::MAX, 4), (2.0, 5), (1.5, 4)] {
            reservoir.record(exemplar(value, time));
        }
        assert_eq!(kept(&reservoir), [(1.0, 3), (2.0, 5), (f64::MAX, 4)]);
    }

    //
    #[test]
    fn other_buckets_take_over_the_exemplars() {
        let reservoir = Reservoir::new(Arc::new(Buckets::PowersOfTwo));
        for (value, time) in [(1.0, 1), (3.0, 2), (4.0, 3), (4.5, 4), (-1.0, 5), (0.0, 6), (9.0, 7)]
        {
            reservoir.record(exemplar(value, time));
        }
        assert_eq!(kept(&reservoir), [(-1.0, 5), (0.0, 6), (1.0, 1), (4.0, 3), (4.5, 4), (9.0, 7)]);
        reservoir.set_buckets(&Arc::new(Buckets::Boundaries([0.5, 4.25].into())));
        assert_eq!(kept(&reservoir), [(0.0, 6), (4.0, 3), (9.0, 7)]);
        reservoir.set_buckets(&Arc::new(Buckets::One));
        reservoir.record(exemplar(8.0, 6));
        assert_eq!(kept(&reservoir), [(9.0, 7)]);
    }

    //
    #[test]
    fn each_power_of_two_ends_a_bucket() {
        let find = |value| {
            let bucket = Buckets::PowersOfTwo.find(value);
            assert!(bucket.above < value && value <= bucket.up_to, "{value}: {bucket:?}");
            bucket
        };
        let mut last = find(f64::MIN);
        assert_eq!(last.above, f64::NEG_INFINITY);
        for exponent in (-1_022..=1_023).rev() {
            let power = -(2.0_f64.powi(exponent));
            let bucket = find(power);
            assert_eq!(bucket.above, last.up_to, "-2^{exponent}");
            assert_eq!(bucket, find(power.next_up()), "-2^{exponent}");
            last = bucket;
        }
        assert_eq!(find(-f64::from_bits(1)), last);
        assert_eq!(last.up_to, -f64::from_bits(1));
        assert_eq!(find(0.0), Bucket { above: last.up_to, up_to: 0.0 });
        last = find(0.0);
        assert_eq!(find(-0.0), last);
        for exponent in -1_022..=1_023 {
            let power = 2.0_f64.powi(exponent);
            let bucket = find(power);
            assert_eq!((bucket.above, bucket.up_to), (last.up_to, power), "2^{exponent}");
            assert_eq!(bucket, find(power.next_down()), "2^{exponent}");
            last = bucket;
        }
        assert_eq!(find(f64::MAX), Bucket { above: last.up_to, up_to: f64::INFINITY });
    }

    //
    #[test]
    fn the_memory_of_a_series_is_bounded() {
        assert!(size_of::<Slot<Exemplar<Instant>>>() <= 64);
        let reservoir = Reservoir::new(Arc::new(Buckets::PowersOfTwo));
        for exponent in -1_000..1_000 {
            reservoir.record(exemplar(2.0_f64.powi(exponent), (exponent + 2_000) as u64));
        }
        let kept = kept(&reservoir);
        assert_eq!(kept.len(), MAX_SLOTS);
        assert!(kept.is_sorted_by(|(a, _), (b, _)| a < b));
        assert_eq!(kept.last(), Some(&(2.0_f64.powi(999), 2_999)), "the newest are kept");
    }

    // `tests/loom` checks this for every interleaving, with fewer steps.
    #[test]
    fn an_exemplar_is_one_that_was_recorded() {
        const COUNT: u64 = 100_000;
        let reservoir = &Reservoir::new(Arc::new(Buckets::PowersOfTwo));
        thread::scope(|scope| {
            for thread in 1..=2 {
                scope.spawn(move || {
                    for step in 0..COUNT {
                        let ids = (2 * step + thread).to_le_bytes();
                        let span = SpanIds::new([ids, ids].concat().try_into().unwrap(), ids);
                        let time = 2 * step + thread;
                        reservoir.record(Exemplar { value: time as f64, time, span });
                    }
                });
            }
            for number in 0..1_000 {
                let buckets = if number % 2 == 0 { Buckets::One } else { Buckets::PowersOfTwo };
                reservoir.set_buckets(&Arc::new(buckets));
                reservoir.for_each(|Exemplar { value, time, span }| {
                    let ids = time.to_le_bytes();
                    assert_eq!((*value, span.span()), (*time as f64, ids));
                    assert_eq!(span.trace(), *[ids, ids].concat());
                });
            }
        });
    }
}
