//! The duration of the soak: it ends when its time is up, or when a part has panicked.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(crate) struct Clock {
    end: Instant,
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Clock {
    pub(crate) fn start(duration: Duration) -> Self {
        let end = Instant::now() + duration;
        Self { end, stopped: Mutex::default(), changed: Condvar::new() }
    }

    pub(crate) fn is_running(&self) -> bool {
        Instant::now() < self.end && !*self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `time`, or until the end if that is earlier.
    pub(crate) fn pass(&self, time: Duration) {
        let time = time.min(self.end.saturating_duration_since(Instant::now()));
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(stopped, time, |stopped| !*stopped));
    }

    /// Calls `part`. If it panics, all other parts stop.
    pub(crate) fn guard<T>(&self, part: impl FnOnce(&Self) -> T) -> T {
        let _guard = StopIfPanicking(self);
        part(self)
    }
}

struct StopIfPanicking<'a>(&'a Clock);

impl Drop for StopIfPanicking<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            *self.0.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.0.changed.notify_all();
        }
    }
}
