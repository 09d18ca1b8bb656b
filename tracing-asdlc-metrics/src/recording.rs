//! The one place that records, and the guard that keeps a recording from starting another.

use crate::instruments::Series;
use std::cell::Cell;
use std::time::Duration;

/// Records one closed span. Does nothing when this thread is already recording.
pub(crate) fn record(series: &[Series], elapsed: Option<Duration>) {
    let Some(_recording) = Recording::start() else {
        return;
    };
    for Series { closed, duration } in series {
        if let Some(counter) = closed {
            counter.add(1);
        }
        if let (Some(histogram), Some(elapsed)) = (duration, elapsed) {
            histogram.record(elapsed.as_secs_f64());
        }
    }
}

/// Whether this thread is inside [`record`]. What it opens there belongs to the SDK, or to a layer that reacts to the
/// SDK's own events, which it emits while it holds its locks: to measure it would deadlock, or never end.
pub(crate) fn in_progress() -> bool {
    RECORDING.get()
}

struct Recording;

impl Recording {
    fn start() -> Option<Self> {
        if RECORDING.replace(true) { None } else { Some(Self) }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        RECORDING.set(false);
    }
}

thread_local! {
    static RECORDING: Cell<bool> = const { Cell::new(false) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_lasts_until_it_ends_whatever_is_tried_within() {
        assert!(!in_progress());
        let recording = Recording::start();
        assert!(recording.is_some());
        assert!(Recording::start().is_none());
        assert!(in_progress(), "the refused one must not have ended it");
        drop(recording);
        assert!(!in_progress());
        assert!(Recording::start().is_some());
    }
}
