//! One reading for all instruments that come from the same source.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A source that is read once for each collection, however many callbacks ask.
///
/// The API has no callback for several instruments, and a callback is not told which collection it
/// runs in. But each runs at most once in each, so that whoever asks a second time shows that a new
/// one has begun. That needs no clock: a value is never older than the collection it is used in.
pub(crate) struct SharedRead<T> {
    read: Box<dyn Fn() -> T + Send + Sync>,
    state: Mutex<State<T>>,
}

struct State<T> {
    last: Option<T>,
    /// One bit for each callback that had `last` already.
    asked: u32,
}

impl<T: Copy + 'static> SharedRead<T> {
    /// Reads with code of ours, of which two calls never overlap.
    #[cfg(any(feature = "process", test))]
    pub(crate) fn new(read: impl FnMut() -> T + Send + 'static) -> Self {
        let read = Mutex::new(read);
        Self::of_foreign(move || (read.lock().unwrap_or_else(PoisonError::into_inner))())
    }

    /// Reads with code of somebody else. It runs without a lock, and for two collections at once.
    pub(crate) fn of_foreign(read: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self { read: Box::new(read), state: Mutex::new(State { last: None, asked: 0 }) }
    }

    /// The reading for the callback of this number, below 32: its own, and no other's.
    pub(crate) fn get(&self, callback: u32) -> T {
        let bit = 1 << callback;
        let mut state = self.state();
        if let Some(value) = state.last
            && state.asked & bit == 0
        {
            state.asked |= bit;
            return value;
        }
        drop(state);
        let value = (self.read)();
        let mut state = self.state();
        state.last = Some(value);
        state.asked = bit;
        value
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::SharedRead;

    fn counting() -> SharedRead<u32> {
        let mut reads = 0;
        SharedRead::new(move || {
            reads += 1;
            reads
        })
    }

    #[test]
    fn every_collection_reads_once() {
        let source = counting();
        for collection in 1..=3 {
            assert_eq!([0, 1, 2].map(|callback| source.get(callback)), [collection; 3]);
        }
    }

    #[test]
    fn a_callback_that_is_left_out_or_moved_costs_no_freshness() {
        let source = counting();
        assert_eq!([0, 1, 2].map(|callback| source.get(callback)), [1; 3]);
        // 0 is denied by now, 2 comes first.
        assert_eq!([2, 1].map(|callback| source.get(callback)), [2; 2]);
        assert_eq!([2, 1, 0].map(|callback| source.get(callback)), [3; 3]);
    }

    #[test]
    fn two_collections_at_once_never_share_what_one_callback_had() {
        let source = counting();
        assert_eq!([0, 0, 1, 1].map(|callback| source.get(callback)), [1, 2, 2, 3]);
    }
}
