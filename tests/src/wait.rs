//! Waiting for a condition instead of for time.

use std::thread;
use std::time::{Duration, Instant};

/// As long as one step may take on two cores that three other builds use, too. Only a failing test waits for all of it.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Asks `condition` until it answers `true`; `false` once `deadline` has passed.
#[must_use]
pub fn eventually(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    eventually_some(deadline, || condition().then_some(())).is_some()
}

/// Asks `attempt` until it answers with a value; `None` once `deadline` has passed. It is asked at least once.
#[must_use]
pub fn eventually_some<T>(deadline: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = attempt() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(BETWEEN_ATTEMPTS);
    }
}

const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_true_ends_the_wait() {
        let mut asked = 0;
        assert!(eventually(DEADLINE, || {
            asked += 1;
            asked == 3
        }));
        assert_eq!(asked, 3);
    }

    #[test]
    fn a_passed_deadline_still_asks_once() {
        assert_eq!(eventually_some(Duration::ZERO, || Some(7)), Some(7));
        assert!(!eventually(Duration::ZERO, || false));
    }
}
