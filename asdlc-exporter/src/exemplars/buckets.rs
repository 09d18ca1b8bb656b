//! Which values share one exemplar.

use super::sync::{AtomicUsize, OnceLock, Ordering};

/// The buckets of the exemplars of an instrument, which all its series share.
#[derive(Debug)]
pub(crate) struct Buckets {
    /// Used until the boundaries are known. A counter or a native histogram has no boundaries, and uses these buckets always.
    initial: InitialBuckets,
    /// In ascending order, with infinities at both ends. They are set once, and do not change: all points of a metric have the
    /// same boundaries. (Two instruments with the same name could have different ones. The SDK warns about such instruments.)
    boundaries: OnceLock<Box<[f64]>>,
}

/// The buckets that need no boundaries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum InitialBuckets {
    /// All values are in one: a counter.
    One,
    /// Between two powers of two. For native histograms, and until the boundaries are known.
    PowersOfTwo,
}

/// The values above the first number, up to the second one and including it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bucket {
    above: f64,
    up_to: f64,
}

impl Buckets {
    pub(crate) fn new(initial: InitialBuckets) -> Self {
        Self { initial, boundaries: OnceLock::new() }
    }

    /// Sets the boundaries, unless they are already set. A bucket includes its upper boundary. Numbers that are not finite are
    /// ignored: the boundaries of a view may be invalid.
    pub(crate) fn set_boundaries(&self, boundaries: impl IntoIterator<Item = f64>) {
        if self.boundaries.get().is_none() {
            let (first, last) = ([f64::NEG_INFINITY], [f64::INFINITY]);
            let all = first
                .into_iter()
                .chain(boundaries.into_iter().filter(|it| it.is_finite()))
                .chain(last)
                .collect();
            // If another thread has set them, they are the same.
            _ = self.boundaries.set(all);
        }
    }

    /// The bucket of a finite value. `last` is the number of the bucket that was found last: the next value is often in the same.
    #[inline(always)]
    pub(super) fn find(&self, value: f64, last: &AtomicUsize) -> Bucket {
        let Some(boundaries) = self.boundaries.get() else { return self.initial.find(value) };
        match Bucket::numbered(boundaries, last.load(Ordering::Relaxed)) {
            Some(bucket) if bucket.has(value) => bucket,
            _ => Bucket::search(boundaries, value, last),
        }
    }
}

impl InitialBuckets {
    #[inline(always)]
    fn find(self, value: f64) -> Bucket {
        match self {
            Self::One => Bucket::ALL,
            Self::PowersOfTwo if value > 0.0 => Bucket::between_powers(value),
            Self::PowersOfTwo if value < 0.0 => Bucket::between_powers(-value).negated(),
            Self::PowersOfTwo => Bucket { above: below(0.0), up_to: 0.0 },
        }
    }
}

impl Bucket {
    const ALL: Self = Self { above: f64::NEG_INFINITY, up_to: f64::INFINITY };

    #[inline(always)]
    pub(super) fn has(self, value: f64) -> bool {
        self.above < value && value <= self.up_to
    }

    #[inline(always)]
    fn numbered(boundaries: &[f64], number: usize) -> Option<Self> {
        let (above, up_to) = (boundaries.get(number)?, boundaries.get(number + 1)?);
        Some(Self { above: *above, up_to: *up_to })
    }

    #[inline(never)]
    fn search(boundaries: &[f64], value: f64, last: &AtomicUsize) -> Self {
        // Minus 1: the first boundary is below all values.
        let number = boundaries.partition_point(|boundary| *boundary < value).saturating_sub(1);
        last.store(number, Ordering::Relaxed);
        Self::numbered(boundaries, number).unwrap_or(Self::ALL)
    }

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

/// Of an `f64`.
const MANTISSA_BITS: u32 = 52;

#[cfg(test)]
mod tests {
    use super::*;

    //
    #[test]
    fn a_value_is_in_the_bucket_of_its_boundaries_whichever_was_found_before() {
        let buckets = Buckets::new(InitialBuckets::One);
        buckets.set_boundaries([1.0, 2.0]);
        let infinity = f64::INFINITY;
        for last in [0, 1, 2, 3, 4, usize::MAX - 1] {
            for (value, above, up_to) in [
                (f64::MIN, -infinity, 1.0),
                (1.0, -infinity, 1.0),
                (1.0_f64.next_up(), 1.0, 2.0),
                (2.0, 1.0, 2.0),
                (2.0_f64.next_up(), 2.0, infinity),
                (f64::MAX, 2.0, infinity),
            ] {
                let last = AtomicUsize::new(last);
                for _ in 0..2 {
                    assert_eq!(buckets.find(value, &last), Bucket { above, up_to }, "{value}");
                }
            }
        }
    }

    // an instrument without boundaries has one bucket, and one with the same name cannot change the boundaries.
    #[test]
    fn the_first_boundaries_stay() {
        let buckets = Buckets::new(InitialBuckets::PowersOfTwo);
        let find = |value| buckets.find(value, &AtomicUsize::new(0));
        assert_eq!(find(3.0), Bucket { above: 2.0, up_to: 4.0 });
        for boundaries in [&[][..], &[3.0]] {
            buckets.set_boundaries(boundaries.iter().copied());
            assert_eq!(find(3.0), Bucket::ALL);
        }
    }

    //
    #[test]
    fn each_power_of_two_ends_a_bucket() {
        let find = |value| {
            let bucket = InitialBuckets::PowersOfTwo.find(value);
            assert!(bucket.has(value), "{value}: {bucket:?}");
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
}
