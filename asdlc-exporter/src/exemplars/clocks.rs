//! The times of exemplars.
//!
//! An exemplar is recorded with an [`Instant`]: libraries have read this clock anyway, to measure a duration. It is kept as a
//! [`Moment`](super::Moment) of the same clock. Each scrape compares this clock with the system's clock, and converts the exemplars
//! that it serves.
//!
//! An exemplar has the same time in all scrapes, even if the system's clock is set. Otherwise Prometheus would store it again.

use crate::unix_time::UnixTime;
use std::time::{Duration, Instant};

/// The last comparisons of the clocks that differ.
#[derive(Clone, Debug)]
pub(crate) struct Clocks {
    /// The comparisons before `current`, the oldest first. Each is for moments up to the end of the last scrape that served times by
    /// it. There are at most [`MAX_EARLIER`].
    earlier: Vec<(Instant, Comparison)>,
    /// The comparison for all later moments.
    current: Comparison,
    /// The end of the last scrape, which served times by `current`.
    last: Instant,
}

/// Both clocks at the same moment.
#[derive(Clone, Copy, Debug)]
struct Comparison {
    instant: Instant,
    time: UnixTime,
}

impl Clocks {
    pub(crate) fn new() -> Self {
        let now = Comparison::new();
        Self { earlier: Vec::new(), current: now, last: now.instant }
    }

    /// Compares the clocks again, in each scrape. If they differ from `current`, somebody has set the system's clock, or the
    /// system was suspended. Then the new comparison is only used for moments after the scrape before this one: exemplars of
    /// earlier moments may have been served.
    pub(crate) fn compare(&mut self) {
        self.add(Comparison::new());
    }

    fn add(&mut self, now: Comparison) {
        if !self.current.agrees_with(now) {
            if self.earlier.len() == MAX_EARLIER {
                self.earlier.remove(0);
            }
            self.earlier.push((self.last, self.current));
            self.current = now;
        }
        self.last = now.instant;
    }

    /// A scrape has ended at this moment: it may have served exemplars that were recorded while it ran.
    pub(crate) fn end_scrape(&mut self, moment: Instant) {
        self.last = self.last.max(moment);
    }

    /// The time of the system's clock at this moment. It may be earlier by as long as it takes to read the clocks.
    pub(crate) fn unix_time(&self, moment: Instant) -> UnixTime {
        let earlier = self.earlier.iter().find(|(until, _)| moment <= *until);
        earlier.map_or(self.current, |(_, comparison)| *comparison).unix_time(moment)
    }
}

impl Comparison {
    /// Reads both clocks [`ATTEMPTS`] times, and keeps the attempt that took the least time: an interruption takes longer.
    fn new() -> Self {
        let read = || {
            let before = Instant::now();
            let time = UnixTime::now();
            let instant = Instant::now();
            (instant - before, Self { instant, time })
        };
        let (_, comparison) =
            (0..ATTEMPTS).map(|_| read()).min_by_key(|(took, _)| *took).unwrap_or_else(read);
        comparison
    }

    fn agrees_with(self, other: Self) -> bool {
        let time = self.unix_time(other.instant);
        time <= other.time.plus(TOLERANCE) && other.time <= time.plus(TOLERANCE)
    }

    fn unix_time(self, moment: Instant) -> UnixTime {
        match moment.checked_duration_since(self.instant) {
            Some(later) => self.time.plus(later),
            None => self.time.minus(self.instant - moment),
        }
    }
}

/// How many times the clocks are read for one comparison.
const ATTEMPTS: usize = 4;

/// More than there are while an exemplar is served, unless its maximum age is many hours.
const MAX_EARLIER: usize = 64;

/// By how much two comparisons may differ, because the clocks are not read at exactly the same moment.
const TOLERANCE: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// By how much a time may be too early in the tests: a machine may interrupt each comparison.
    const PRECISION: Duration = Duration::from_millis(1);

    //
    #[test]
    fn a_moment_has_the_time_of_the_clock_of_the_system() {
        let early = Clocks::new();
        for _ in 0..1_000 {
            let before = UnixTime::now();
            let moment = Instant::now();
            let after = UnixTime::now();
            for clocks in [early.clone(), Clocks::new()] {
                let time = clocks.unix_time(moment);
                assert!(before.minus(PRECISION) <= time, "{time:?} is before {before:?}");
                assert!(time <= after, "{time:?} is after {after:?}");
            }
        }
    }

    //
    #[test]
    fn the_time_of_a_moment_stays_the_same() {
        let mut clocks = Clocks::new();
        let moments = [Instant::now(), Instant::now() - SECOND, Instant::now() + SECOND];
        let times = moments.map(|moment| clocks.unix_time(moment));
        // Comparisons that differ a little, as those of an interrupted machine do.
        for difference in [0, 1, 500, 999].map(Duration::from_micros) {
            let (instant, time) = (clocks.last + SECOND, clocks.unix_time(clocks.last + SECOND));
            clocks.add(Comparison { instant, time: time.plus(difference) });
            clocks.add(Comparison { instant, time: time.minus(difference) });
            assert_eq!(moments.map(|moment| clocks.unix_time(moment)), times, "{difference:?}");
        }
    }

    //
    #[test]
    fn after_the_clock_was_set_only_times_that_were_not_served_change() {
        let start = Instant::now();
        let at = |seconds| start + seconds * SECOND;
        let hour = 3_600 * SECOND;
        for is_set_back in [false, true] {
            let set = |time: UnixTime| if is_set_back { time.minus(hour) } else { time.plus(hour) };
            let mut clocks = Clocks::new();
            clocks.add(Comparison { instant: at(10), time: clocks.unix_time(at(10)) });
            let earlier = clocks.clone();
            clocks.add(Comparison { instant: at(20), time: set(clocks.unix_time(at(20))) });
            for seconds in 0..=10 {
                assert_eq!(clocks.unix_time(at(seconds)), earlier.unix_time(at(seconds)));
            }
            for seconds in 11..=30 {
                assert_eq!(clocks.unix_time(at(seconds)), set(earlier.unix_time(at(seconds))));
            }
            // No time changes with the next scrape.
            clocks.add(Comparison { instant: at(30), time: set(earlier.unix_time(at(30))) });
            assert_eq!(clocks.unix_time(at(10)), earlier.unix_time(at(10)));
            assert_eq!(clocks.unix_time(at(11)), set(earlier.unix_time(at(11))));
        }
    }

    //
    #[test]
    fn a_served_time_stays_the_same_however_often_the_clock_is_set() {
        let mut clocks = Clocks::new();
        let (start, hour) = (clocks.last, 3_600 * SECOND);
        let first = clocks.unix_time(start);
        let mut second = None;
        for step in 1..=20 {
            let at = start + step * 10 * SECOND;
            let time = first.plus(step * (10 * SECOND + hour));
            clocks.add(Comparison { instant: at, time });
            // Recorded and served while the scrape runs.
            clocks.end_scrape(at + 2 * SECOND);
            let moment = start + 11 * SECOND;
            let served = clocks.unix_time(moment);
            assert_eq!(*second.get_or_insert(served), served, "step {step}");
            assert_eq!(clocks.unix_time(start), first, "step {step}");
        }
        for step in 21..2 * MAX_EARLIER as u32 {
            let at = start + step * 10 * SECOND;
            clocks.add(Comparison { instant: at, time: first.plus(step * hour) });
        }
        assert_eq!(clocks.earlier.len(), MAX_EARLIER);
    }

    const SECOND: Duration = Duration::from_secs(1);
}
