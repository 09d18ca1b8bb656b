//! How many entries there may be, and that each is added once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counts the entries of append-only collections, whose readers take no lock.
#[derive(Debug, Default)]
pub(crate) struct Room {
    len: AtomicUsize,
    /// Held while an entry is added, which happens once for each. Nothing else happens under it.
    adding: Mutex<()>,
}

impl Room {
    /// What `find` finds; if that is nothing and there are fewer than `cap` entries, what `make` makes and `add` adds.
    ///
    /// Between the caller's own look and this one another thread may have added the very entry: hence `find`. What was made
    /// is dropped then. Of the SDK's series, which `make` makes, there may so be a few more than `cap`: one for each thread
    /// that adds another entry in the moment in which the last place is taken.
    #[cold]
    pub(crate) fn add<T, R>(
        &self,
        cap: usize,
        find: impl Fn() -> Option<R>,
        make: impl FnOnce() -> T,
        add: impl FnOnce(T) -> R,
    ) -> Option<R> {
        // Everything unknown comes here for ever once there is no room: no lock for that.
        if self.is_full(cap) {
            return find();
        }
        // Before the lock: it calls the SDK. And dropped after it.
        let made = make();
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = find() {
            return Some(found);
        }
        if self.is_full(cap) {
            return None;
        }
        let added = add(made);
        self.len.fetch_add(1, Ordering::Release);
        Some(added)
    }

    pub(crate) fn is_full(&self, cap: usize) -> bool {
        self.len.load(Ordering::Acquire) >= cap
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
    fn an_entry_is_made_and_dropped_without_the_lock() {
        struct Entry<'a>(&'a Room, &'a Cell<u32>);
        impl Drop for Entry<'_> {
            fn drop(&mut self) {
                assert!(self.0.adding.try_lock().is_ok());
                self.1.set(self.1.get() + 1);
            }
        }
        let (room, dropped) = (Room::default(), Cell::new(0));
        let make = || {
            assert!(room.adding.try_lock().is_ok());
            Entry(&room, &dropped)
        };
        let added = room.add(2, || None, make, std::mem::forget);
        assert_eq!((added, dropped.get()), (Some(()), 0));
        // Another thread has added it meanwhile.
        let finds = Cell::new(0);
        let find = || {
            finds.set(finds.get() + 1);
            Some(())
        };
        assert_eq!(room.add(2, find, make, |_| unreachable!("it is there")), Some(()));
        assert_eq!((finds.get(), dropped.get()), (1, 1));
        // And another one, in the last place.
        let makes_another = || {
            room.add(2, || None, || (), |()| ());
            make()
        };
        let added = room.add(2, || None, makes_another, |_| unreachable!("it is full"));
        assert_eq!((added, dropped.get(), room.len()), (None, 2, 2));
    }

    #[test]
    fn a_panic_while_an_entry_is_made_costs_this_entry_only() {
        let room = Room::default();
        let panics = || room.add(1, || None::<()>, || panic!("told to"), |()| ());
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(room.add(1, || None, || (), |()| ()), Some(()));
        assert_eq!(room.len(), 1);
    }
}
