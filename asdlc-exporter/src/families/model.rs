//! Plain types for the values of a scrape, from the collected metrics to the writers.

use crate::exemplars::Exemplar;

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FamilyKind {
    Counter,
    Gauge,
    Histogram,
    /// Of an unknown type. Only from a registry of `prometheus-client`: OpenTelemetry has none.
    #[cfg_attr(
        not(any(feature = "prometheus-client", test)),
        expect(dead_code, reason = "only this registry has them")
    )]
    Unknown,
    /// Only from a `prometheus::Registry`: OpenTelemetry has none.
    #[cfg_attr(
        not(any(feature = "prometheus", test)),
        expect(dead_code, reason = "only a registry has summaries")
    )]
    Summary,
    /// The gauge `target_info`, which has the attributes of the resource.
    TargetInfo,
}

impl FamilyKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge | Self::TargetInfo => "gauge",
            Self::Unknown => "untyped",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }

    /// The name of the family with each of these suffixes belongs to the family too. They are the
    /// suffixes of its samples, and `_created`, which `OpenMetrics` parsers reserve.
    pub(crate) fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter | Self::Gauge | Self::Unknown | Self::TargetInfo => &[],
            Self::Histogram => &["_bucket", "_sum", "_count", "_created"],
            Self::Summary => &["_sum", "_count", "_created"],
        }
    }

    /// Whether series of this type have a start time: their values only increase from then on.
    pub(crate) fn accumulates(self) -> bool {
        match self {
            Self::Counter | Self::Histogram | Self::Summary => true,
            Self::Gauge | Self::Unknown | Self::TargetInfo => false,
        }
    }

    /// The label key that distinguishes the samples of one series.
    pub(crate) fn reserved_key(self) -> Option<&'static str> {
        match self {
            Self::Counter | Self::Gauge | Self::Unknown | Self::TargetInfo => None,
            Self::Histogram => Some("le"),
            Self::Summary => Some("quantile"),
        }
    }
}

/// A number in the type it was recorded in. Integers stay integers, because a float rounds above
/// 2^53. There are two exceptions: an integer that is added to a float, and a sum that does not
/// fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    U64(u64),
    I64(i64),
    F64(f64),
}

impl Number {
    /// The sum. It is exact if it is an integer and fits.
    pub(crate) fn plus(self, other: Self) -> Self {
        let (Some(a), Some(b)) = (self.integer(), other.integer()) else {
            return Self::F64(self.float() + other.float());
        };
        Self::from_integer(a + b)
    }

    /// The difference. It is exact if it is an integer and fits. If one of the numbers is not finite, it
    /// is the number itself.
    pub(crate) fn minus(self, other: Self) -> Self {
        match (self.integer(), other.integer()) {
            (Some(a), Some(b)) => Self::from_integer(a - b),
            _ if other.float().is_finite() => Self::F64(self.float() - other.float()),
            _ => self,
        }
    }

    /// The greater number. NaN is less than any number.
    pub(crate) fn max(self, other: Self) -> Self {
        if self.is_less(other) || self.float().is_nan() { other } else { self }
    }

    /// Whether it is less than the other number. Neither is NaN.
    pub(crate) fn is_less(self, other: Self) -> bool {
        match (self.integer(), other.integer()) {
            (Some(a), Some(b)) => a < b,
            _ => self.float() < other.float(),
        }
    }

    /// Whether both are the same number, or both are NaN.
    pub(crate) fn is_same(self, other: Self) -> bool {
        match (self.integer(), other.integer()) {
            (Some(a), Some(b)) => a == b,
            _ => self.float() == other.float() || self.float().is_nan() && other.float().is_nan(),
        }
    }

    fn from_integer(number: i128) -> Self {
        u64::try_from(number)
            .map(Self::U64)
            .or_else(|_| i64::try_from(number).map(Self::I64))
            .unwrap_or(Self::F64(number as f64))
    }

    fn integer(self) -> Option<i128> {
        match self {
            Self::U64(v) => Some(v.into()),
            Self::I64(v) => Some(v.into()),
            Self::F64(_) => None,
        }
    }

    pub(crate) fn float(self) -> f64 {
        match self {
            Self::U64(v) => v as f64,
            Self::I64(v) => v as f64,
            Self::F64(v) => v,
        }
    }
}

impl Default for Number {
    fn default() -> Self {
        Self::U64(0)
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::U64(value)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::F64(value)
    }
}

/// A quantile of a summary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quantile {
    pub(crate) quantile: f64,
    pub(crate) value: f64,
}

/// One finite bucket of a histogram: how many values were at most `bound`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) bound: f64,
    pub(crate) cumulative: u64,
}

/// The value of a histogram. Its memory is reused from series to series.
#[derive(Clone, Debug, Default)]
pub(crate) struct HistogramValue {
    /// Of all values. It is the value of both the bucket `+Inf` and `_count`, so that these are always equal,
    /// and never less than the last bucket.
    pub(crate) count: u64,
    pub(crate) sum: Number,
    /// The finite ones, in ascending order.
    pub(crate) buckets: Vec<Bucket>,
    /// Whether their boundaries are known to be those of the last value that was read into the same memory.
    pub(crate) has_last_bounds: bool,
    /// The same values in the buckets of a native histogram. Meaningful only if
    /// [`is_native`](Self::is_native).
    pub(crate) native: NativeHistogram,
    pub(crate) is_native: bool,
    /// In the order of their values. Each bucket may have several; the newest one counts. The count of their bucket
    /// may not include them: they were read after the counts.
    pub(crate) exemplars: Vec<Exemplar>,
}

/// A native histogram of Prometheus, without count and sum.
///
/// The positive bucket `i` has the values above `base^(i-1)` and up to `base^i`, where `base` is
/// `2^(2^-schema)`. The negative buckets have the values with the opposite sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NativeHistogram {
    /// From -4 to 8. The greater it is, the narrower the buckets are.
    pub(crate) schema: i8,
    /// How many values are 0. The zero bucket has no other values: its threshold is 0.
    pub(crate) zero_count: u64,
    pub(crate) positive: NativeBuckets,
    pub(crate) negative: NativeBuckets,
}

/// Consecutive buckets of a native histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NativeBuckets {
    /// The index of the first bucket.
    pub(crate) first: i32,
    /// The count of each bucket, not cumulative. The first and the last count are not 0.
    pub(crate) counts: Vec<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    //
    #[test]
    fn integers_subtract_exactly_and_only_from_finite_numbers() {
        let big = 9_007_199_254_740_993; // 2^53 + 1, which no f64 can hold
        assert_eq!(Number::U64(big + 1).minus(Number::U64(big)), Number::U64(1));
        assert_eq!(Number::U64(big).minus(Number::I64(-1)), Number::U64(big + 1));
        assert_eq!(Number::I64(2).minus(Number::U64(5)), Number::I64(-3));
        assert_eq!(Number::F64(1.5).minus(Number::U64(1)), Number::F64(0.5));
        let infinite = Number::F64(f64::INFINITY);
        assert_eq!(infinite.minus(infinite), infinite);
        assert_eq!(infinite.minus(Number::U64(1)), infinite);
        assert_eq!(Number::F64(3.0).minus(Number::F64(f64::NAN)), Number::F64(3.0));
    }

    //
    #[test]
    fn numbers_are_the_same_whatever_their_type() {
        assert!(Number::F64(f64::NAN).is_same(Number::F64(-f64::NAN)));
        assert!(!Number::F64(f64::NAN).is_same(Number::U64(0)));
        assert!(Number::U64(5).is_same(Number::I64(5)));
        assert!(!Number::U64(u64::MAX).is_same(Number::U64(u64::MAX - 1)));
    }

    #[test]
    fn integers_add_exactly() {
        let big = 9_007_199_254_740_993; // 2^53 + 1, which no f64 can hold
        assert_eq!(Number::U64(big).plus(Number::I64(-1)), Number::U64(big - 1));
        assert_eq!(Number::I64(-5).plus(Number::U64(2)), Number::I64(-3));
        assert_eq!(Number::U64(1).plus(Number::F64(0.5)), Number::F64(1.5));
        assert_eq!(
            Number::U64(u64::MAX).plus(Number::U64(1)),
            Number::F64(18_446_744_073_709_551_616.0)
        );
    }

    // F-13
    #[test]
    fn the_greater_number_is_exact_and_not_nan() {
        let big = 9_007_199_254_740_993;
        assert_eq!(Number::U64(big).max(Number::U64(big - 1)), Number::U64(big));
        assert_eq!(Number::I64(-1).max(Number::U64(big)), Number::U64(big));
        for nan in [f64::NAN, -f64::NAN] {
            assert_eq!(Number::F64(nan).max(Number::I64(-3)), Number::I64(-3));
            assert_eq!(Number::I64(-3).max(Number::F64(nan)), Number::I64(-3));
        }
    }
}
