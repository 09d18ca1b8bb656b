//! One reading that several callbacks share.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Reads once in each collection, for all callbacks of its instruments.
///
/// The OpenTelemetry API has no callback for several instruments, and a callback does not know in
/// which collection it runs. But each callback runs at most once in a collection. So if a callback
/// calls [`get`](Self::get) a second time, a new collection has begun, and the value is read again.
/// No clock is needed: a value is never older than the collection that uses it, unless two readers
/// collect at the same time. Then a collection can get the value that the other one has read.
pub(crate) struct SharedRead<T> {
    read: Box<dyn Fn() -> T + Send + Sync>,
    last: Mutex<LastReading<T>>,
}

struct LastReading<T> {
    value: Option<T>,
    /// One bit for each callback that has got `value`.
    used_by: u32,
}

impl<T: Copy + 'static> SharedRead<T> {
    /// Reads with code of this crate. Two calls never overlap.
    #[cfg(any(feature = "process", test))]
    pub(crate) fn new(read: impl FnMut() -> T + Send + 'static) -> Self {
        let read = Mutex::new(read);
        Self::with_user_code(move || (read.lock().unwrap_or_else(PoisonError::into_inner))())
    }

    /// Reads with user code. It runs without a lock, perhaps for two collections at the same time.
    pub(crate) fn with_user_code(read: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self { read: Box::new(read), last: Mutex::new(LastReading { value: None, used_by: 0 }) }
    }

    /// The reading for the callback with this number. Each callback has its own number, below 32.
    pub(crate) fn get(&self, callback: u32) -> T {
        let bit = 1 << callback;
        let mut last = self.last();
        if let Some(value) = last.value.filter(|_| last.used_by & bit == 0) {
            last.used_by |= bit;
            return value;
        }
        drop(last);
        let value = (self.read)();
        *self.last() = LastReading { value: Some(value), used_by: bit };
        value
    }

    fn last(&self) -> MutexGuard<'_, LastReading<T>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
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
        let reading = counting();
        for collection in 1..=3 {
            assert_eq!([0, 1, 2].map(|callback| reading.get(callback)), [collection; 3]);
        }
    }

    #[test]
    fn each_collection_reads_anew_if_callbacks_are_missing_or_in_another_order() {
        let reading = counting();
        assert_eq!([0, 1, 2].map(|callback| reading.get(callback)), [1; 3]);
        // Now 0 does not run, and 2 runs first.
        assert_eq!([2, 1].map(|callback| reading.get(callback)), [2; 2]);
        assert_eq!([2, 1, 0].map(|callback| reading.get(callback)), [3; 3]);
    }

    #[test]
    fn a_callback_never_gets_the_same_reading_twice_if_collections_overlap() {
        let reading = counting();
        assert_eq!([0, 0, 1, 1].map(|callback| reading.get(callback)), [1, 2, 2, 3]);
    }
}
