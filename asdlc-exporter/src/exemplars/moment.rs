//! The moment of an exemplar, in one word.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

/// Nanoseconds by the clock of [`Instant`], counted from the first use of a `Moment` in this process. An `Instant` needs two
/// words, and an atomic variable has only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// The last moment: about 146 years after moment 0. Later instants become this moment.
    pub(crate) const MAX: Self = Self(MAX_SECONDS * SECOND);

    /// Makes the present time moment 0. Does nothing if there is a moment 0 already. Earlier instants become moment 0.
    pub(crate) fn start() {
        LazyLock::force(&START);
    }

    #[inline(always)]
    pub(crate) fn of(instant: Instant) -> Self {
        let since = instant.saturating_duration_since(*START);
        // Not `as_nanos`, which calculates in 128 bits.
        let seconds = since.as_secs();
        if seconds < MAX_SECONDS {
            Self(seconds * SECOND + u64::from(since.subsec_nanos()))
        } else {
            Self::MAX
        }
    }

    pub(crate) fn instant(self) -> Instant {
        START.checked_add(Duration::from_nanos(self.0)).unwrap_or(*START)
    }
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

const SECOND: u64 = 1_000_000_000;
/// Below 2^62 nanoseconds.
const MAX_SECONDS: u64 = (1 << 62) / SECOND;

#[cfg(test)]
mod tests {
    use super::*;

    //
    #[test]
    fn a_moment_is_the_instant_that_it_was_made_of() {
        Moment::start();
        let now = Instant::now();
        for later in [0, 1, 999_999_999, 1_000_000_000, 1_000_000_001, 86_400_000_000_000] {
            let instant = now + Duration::from_nanos(later);
            assert_eq!(Moment::of(instant).instant(), instant, "{later}");
        }
    }

    //
    #[test]
    fn a_moment_that_is_too_early_or_too_late_becomes_the_nearest_one() {
        Moment::start();
        assert_eq!(Moment::of(*START - Duration::from_secs(1)), Moment(0));
        let late = *START + Duration::from_secs(MAX_SECONDS);
        for instant in [late, late + Duration::from_secs(MAX_SECONDS)] {
            assert_eq!(Moment::of(instant), Moment::MAX);
        }
        let last = late - Duration::from_nanos(1);
        assert_eq!(Moment::of(last), Moment(Moment::MAX.0 - 1));
    }
}
