use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counts the entries of append-only collections whose readers take no lock, and adds each entry once, up to a limit.
#[derive(Debug, Default)]
pub(crate) struct EntryLimit {
    len: AtomicUsize,
    /// Held while an entry is inserted, once for each entry. Only `find` and `insert` are called under this lock.
    inserting: Mutex<()>,
}

impl EntryLimit {
    /// Returns what `find` finds. If it finds nothing and there are fewer than `limit` entries, `insert` gets a new entry from
    /// `create`.
    ///
    /// The caller has not found the entry, but another thread may have inserted it since. Therefore `find` is called again, and
    /// a new entry that is not needed is dropped. `create` creates series in the SDK, which keeps them when the entry is
    /// dropped. If several threads create entries for the last place, the SDK gets more series than `limit`: one for each
    /// thread.
    #[cold]
    pub(crate) fn find_or_insert<T, R>(
        &self,
        limit: usize,
        find: impl Fn() -> Option<R>,
        create: impl FnOnce() -> T,
        insert: impl FnOnce(T) -> R,
    ) -> Option<R> {
        // Once the limit is reached, every unknown label set takes this path. It must not lock.
        if self.is_reached(limit) {
            return find();
        }
        // Created before the lock is taken, because this calls the SDK, and dropped after it is released.
        let created = create();
        let _inserting = self.inserting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = find() {
            return Some(found);
        }
        if self.is_reached(limit) {
            return None;
        }
        let inserted = insert(created);
        self.len.fetch_add(1, Ordering::Release);
        Some(inserted)
    }

    pub(crate) fn is_reached(&self, limit: usize) -> bool {
        self.len.load(Ordering::Acquire) >= limit
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn an_entry_is_created_and_dropped_without_the_lock() {
        struct Entry<'a>(&'a EntryLimit, &'a Cell<u32>);
        impl Drop for Entry<'_> {
            fn drop(&mut self) {
                assert!(self.0.inserting.try_lock().is_ok());
                self.1.set(self.1.get() + 1);
            }
        }
        let (entries, dropped) = (EntryLimit::default(), Cell::new(0));
        let create = || {
            assert!(entries.inserting.try_lock().is_ok());
            Entry(&entries, &dropped)
        };
        let inserted = entries.find_or_insert(2, || None, create, std::mem::forget);
        assert_eq!((inserted, dropped.get()), (Some(()), 0));
        // Another thread has inserted it meanwhile.
        let finds = Cell::new(0);
        let find = || {
            finds.set(finds.get() + 1);
            Some(())
        };
        let found = entries.find_or_insert(2, find, create, |_| unreachable!("it was found"));
        assert_eq!(found, Some(()));
        assert_eq!((finds.get(), dropped.get()), (1, 1));
        // Another thread has inserted a different entry in the last place.
        let create_late = || {
            entries.find_or_insert(2, || None, || (), |()| ());
            create()
        };
        let inserted =
            entries.find_or_insert(2, || None, create_late, |_| unreachable!("limit reached"));
        assert_eq!((inserted, dropped.get(), entries.len()), (None, 2, 2));
    }

    #[test]
    fn after_a_panic_in_create_the_next_entry_is_inserted() {
        let entries = EntryLimit::default();
        let panics = || entries.find_or_insert(1, || None::<()>, || panic!("on purpose"), |()| ());
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(entries.find_or_insert(1, || None, || (), |()| ()), Some(()));
        assert_eq!(entries.len(), 1);
    }
}
