//! How many entries there may be, and that each is added once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counts the entries of append-only collections, whose readers take no lock.
#[derive(Debug, Default)]
pub(crate) struct Room {
    len: AtomicUsize,
    /// Held while an entry is added, which happens once for each.
    adding: Mutex<()>,
}

impl Room {
    /// What `find` finds; if that is nothing and there are fewer than `cap` entries, what `add` adds.
    ///
    /// Between the caller's own look and this one another thread may have added the very entry: hence `find`.
    #[cold]
    pub(crate) fn add<R>(
        &self,
        cap: usize,
        find: impl Fn() -> Option<R>,
        add: impl FnOnce() -> R,
    ) -> Option<R> {
        let is_full = || self.len.load(Ordering::Acquire) >= cap;
        // Everything unknown comes here for ever once there is no room: no lock for that.
        if is_full() {
            return find();
        }
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = find() {
            return Some(found);
        }
        if is_full() {
            return None;
        }
        let added = add();
        self.len.fetch_add(1, Ordering::Release);
        Some(added)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }
}
