//! Prevents a recording from starting another recording on the same thread.

use std::cell::Cell;

/// Exists while this thread records.
///
/// While a thread records, its spans and events come from the SDK, or from a layer that reacts to the SDK's events. The SDK
/// emits events while it holds its locks. To measure such a span or event would cause a deadlock or an endless recursion.
#[derive(Debug)]
pub(crate) struct RecordingGuard;

impl RecordingGuard {
    /// Returns `None` if this thread already records.
    #[inline]
    pub(crate) fn start() -> Option<Self> {
        if IS_RECORDING.replace(true) { None } else { Some(Self) }
    }

    /// Whether this thread records.
    #[inline]
    pub(crate) fn is_active() -> bool {
        IS_RECORDING.get()
    }
}

impl Drop for RecordingGuard {
    #[inline]
    fn drop(&mut self) {
        // Not `set`, which is a call.
        IS_RECORDING.replace(false);
    }
}

thread_local! {
    static IS_RECORDING: Cell<bool> = const { Cell::new(false) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_lasts_until_its_guard_is_dropped_and_a_second_one_is_refused() {
        assert!(!RecordingGuard::is_active());
        let guard = RecordingGuard::start();
        assert!(guard.is_some());
        assert!(RecordingGuard::start().is_none());
        assert!(RecordingGuard::is_active(), "the refused start must not end the recording");
        drop(guard);
        assert!(!RecordingGuard::is_active());
        assert!(RecordingGuard::start().is_some());
    }
}
