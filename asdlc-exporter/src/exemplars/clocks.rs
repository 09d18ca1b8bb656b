//! The time of an exemplar whose library has already read a clock.
//!
//! A library measures durations with an [`Instant`], and an exemplar has the time of the system's clock. To read a clock takes
//! longer than to record an exemplar. So each thread compares the two clocks now and then, and adds the difference.

use crate::unix_time::UnixTime;
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

thread_local! {
    static COMPARED: Cell<Option<Clocks>> = const { Cell::new(None) };
}

/// A comparison of the clocks: both at the same moment.
#[derive(Clone, Copy)]
struct Clocks {
    instant: Instant,
    time: UnixTime,
}

/// The time of the system's clock at this moment, which has just passed. It may be earlier by as long as it takes to read the
/// clocks, and is not later. After somebody has set the system's clock, it is wrong for at most [`MAX_AGE`].
#[inline]
pub(crate) fn unix_time(moment: Instant) -> UnixTime {
    if let Some(Clocks { instant, time }) = COMPARED.get() {
        // `None` if the moment was before the comparison.
        if let Some(since) = moment.checked_duration_since(instant).filter(|it| *it < MAX_AGE) {
            // Less than a second.
            return UnixTime(time.0.saturating_add(since.subsec_nanos().into()));
        }
    }
    compare_again(moment)
}

#[cold]
fn compare_again(moment: Instant) -> UnixTime {
    let clocks = Clocks::compare();
    COMPARED.set(Some(clocks));
    let Clocks { instant, time } = clocks;
    time.minus(instant.saturating_duration_since(moment))
}

impl Clocks {
    /// Reads both clocks [`ATTEMPTS`] times, and keeps the attempt that took the least time: an interruption takes longer.
    fn compare() -> Self {
        let read = || {
            let before = Instant::now();
            let time = UnixTime::now();
            let instant = Instant::now();
            (instant - before, Self { instant, time })
        };
        let (_, clocks) =
            (0..ATTEMPTS).map(|_| read()).min_by_key(|(took, _)| *took).unwrap_or_else(read);
        clocks
    }
}

/// How long a comparison is valid.
const MAX_AGE: Duration = Duration::from_millis(100);
/// How many times the clocks are read for one comparison.
const ATTEMPTS: usize = 4;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// By how much a time may be too early in the tests: a machine may interrupt each comparison.
    pub(crate) const PRECISION: Duration = Duration::from_millis(1);

    /// Asserts that a moment has a time between these.
    fn assert_between(before: UnixTime, moment: Instant, after: UnixTime) {
        let time = unix_time(moment);
        assert!(before.minus(PRECISION) <= time, "{time:?} is before {before:?}");
        assert!(time <= after, "{time:?} is after {after:?}");
    }

    //
    #[test]
    fn a_moment_has_the_time_of_the_clock_of_the_system() {
        for _ in 0..1_000 {
            let before = UnixTime::now();
            let moment = Instant::now();
            assert_between(before, moment, UnixTime::now());
        }
    }

    //
    #[test]
    fn the_clocks_are_compared_when_there_is_no_comparison_or_an_old_one() {
        assert!(COMPARED.get().is_none());
        unix_time(Instant::now());
        let compared = COMPARED.get().expect("they were compared");
        unix_time(Instant::now());
        assert_eq!(COMPARED.get().map(|it| it.instant), Some(compared.instant));
        // Since then, somebody has set the clock.
        let (instant, time) = (compared.instant - MAX_AGE, compared.time.plus(3_600 * SECOND));
        COMPARED.set(Some(Clocks { instant, time }));
        let before = UnixTime::now();
        let moment = Instant::now();
        assert_between(before, moment, UnixTime::now());
    }

    //
    #[test]
    fn a_moment_before_the_comparison_has_an_earlier_time() {
        let before = UnixTime::now();
        unix_time(Instant::now());
        let Clocks { instant, .. } = COMPARED.get().expect("they were compared");
        let after = UnixTime::now();
        assert_between(before.minus(SECOND), instant - SECOND, after.minus(SECOND));
    }

    const SECOND: Duration = Duration::from_secs(1);
}
