//! The plain values that pass from the collected metrics to the writer.

/// What the TYPE line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A recorded number in the type it was recorded in: an integer never passes through a float, which
/// rounds above 2^53.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    U64(u64),
    I64(i64),
    F64(f64),
}

impl Number {
    /// The sum, exact as long as it is an integer that fits.
    pub(crate) fn plus(self, other: Self) -> Self {
        let (Some(a), Some(b)) = (self.integer(), other.integer()) else {
            return Self::F64(self.float() + other.float());
        };
        let sum = a + b;
        u64::try_from(sum)
            .map(Self::U64)
            .or_else(|_| i64::try_from(sum).map(Self::I64))
            .unwrap_or(Self::F64(sum as f64))
    }

    fn integer(self) -> Option<i128> {
        match self {
            Self::U64(v) => Some(v.into()),
            Self::I64(v) => Some(v.into()),
            Self::F64(_) => None,
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::U64(v) => v as f64,
            Self::I64(v) => v as f64,
            Self::F64(v) => v,
        }
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

/// One finite bucket of a histogram: how many values were at most `bound`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) bound: f64,
    pub(crate) cumulative: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_add_exactly() {
        let big = 9_007_199_254_740_993; // 2^53 + 1: not a float
        assert_eq!(Number::U64(big).plus(Number::I64(-1)), Number::U64(big - 1));
        assert_eq!(Number::I64(-5).plus(Number::U64(2)), Number::I64(-3));
        assert_eq!(Number::U64(1).plus(Number::F64(0.5)), Number::F64(1.5));
        assert_eq!(
            Number::U64(u64::MAX).plus(Number::U64(1)),
            Number::F64(18_446_744_073_709_551_616.0)
        );
    }
}
