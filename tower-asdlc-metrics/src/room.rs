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
