//! Waits for a condition instead of a fixed time.

use std::thread;
use std::time::{Duration, Instant};

/// How long one step may take, on two cores that three other builds use as well. Only a failing test waits that long.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Calls `condition` until it returns `true`. Returns `false` once `deadline` has passed.
#[must_use]
pub fn eventually(deadline: Duration, mut condition: impl FnMut() -> bool) -> bool {
    eventually_some(deadline, || condition().then_some(())).is_some()
}

/// Calls `attempt` until it returns a value. Returns `None` once `deadline` has passed. Calls it at least once.
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
        let mut calls = 0;
        assert!(eventually(DEADLINE, || {
            calls += 1;
            calls == 3
        }));
        assert_eq!(calls, 3);
    }

    #[test]
    fn a_passed_deadline_still_allows_one_call() {
        assert_eq!(eventually_some(Duration::ZERO, || Some(7)), Some(7));
        assert!(!eventually(Duration::ZERO, || false));
    }
}
