//! A hash table whose entries never move and are never removed. It is read without a lock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// An open-addressing hash table for what exists until the process ends: callsites, label values and series.
///
/// The hash of an entry selects its home slot in each block. The entry is there or in one of the next slots, up to `window` of them.
/// If these are taken, it is in the next block, which is twice as large.
#[derive(Debug)]
pub(crate) struct AppendOnlyTable<T> {
    first: Block<T>,
    window: usize,
    len: AtomicUsize,
    /// Held while an entry is added, but not while the entry is made, because making it runs the program's allocator.
    adding: Mutex<()>,
}

#[derive(Debug)]
struct Block<T> {
    slots: Box<[OnceLock<T>]>,
    next: OnceLock<Box<Block<T>>>,
}

impl<T> AppendOnlyTable<T> {
    /// A table for at most `capacity` entries, in one block.
    pub(crate) fn bounded(capacity: usize) -> Self {
        // At most half full, so that the search for a missing entry ends after a few steps.
        let slots = (capacity.max(1) * 2).next_power_of_two();
        Self::new(slots, slots)
    }

    /// A table for any number of entries.
    pub(crate) fn growing() -> Self {
        Self::new(FIRST_BLOCK, WINDOW)
    }

    fn new(slots: usize, window: usize) -> Self {
        let first = Block::new(slots);
        Self { first, window, len: AtomicUsize::new(0), adding: Mutex::new(()) }
    }

    /// Returns the entry with this hash for which `is` is true, and its index. If there is none, adds what `make` returns. If the
    /// table already has `limit` entries, returns `None`.
    ///
    /// If several threads add the same entry at the same time, each calls `make`, and all of them get the first one.
    #[inline]
    pub(crate) fn get_or_add(
        &self,
        limit: usize,
        hash: u64,
        is: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<(usize, &T)> {
        match self.in_home_slot(hash) {
            Some((index, entry)) if is(entry) => Some((index, entry)),
            _ => self.find_or_add(limit, hash, &is, make),
        }
    }

    /// The entry that is in the home slot of this hash, and its index. It may be another entry than the one that is looked for.
    #[inline]
    pub(crate) fn in_home_slot(&self, hash: u64) -> Option<(usize, &T)> {
        let index = self.first.home(hash);
        Some((index, self.first.slots.get(index)?.get()?))
    }

    #[inline]
    pub(crate) fn get(&self, mut index: usize) -> Option<&T> {
        let mut block = &self.first;
        while index >= block.slots.len() {
            index -= block.slots.len();
            block = block.next.get()?;
        }
        block.slots[index].get()
    }

    #[inline(never)]
    fn find_or_add(
        &self,
        limit: usize,
        hash: u64,
        is: &impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<(usize, &T)> {
        self.find(hash, is).ok().or_else(|| self.add(limit, hash, is, make))
    }

    /// The entry for which `is` is true, or the free slot for it, with its index.
    #[inline]
    fn find(
        &self,
        hash: u64,
        is: &impl Fn(&T) -> bool,
    ) -> Result<(usize, &T), (usize, &OnceLock<T>)> {
        let mut block = &self.first;
        let mut before = 0;
        loop {
            let home = block.home(hash);
            for step in 0..self.window {
                let index = (home + step) & (block.slots.len() - 1);
                match block.slots[index].get() {
                    Some(entry) if is(entry) => return Ok((before + index, entry)),
                    Some(_) => {}
                    None => return Err((before + index, &block.slots[index])),
                }
            }
            before += block.slots.len();
            block = block.next();
        }
    }

    #[cold]
    fn add(
        &self,
        limit: usize,
        hash: u64,
        is: &impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<(usize, &T)> {
        let is_full = || self.len.load(Ordering::Acquire) >= limit;
        // When the table is full, every unknown entry gets here: it must not take the lock. Another thread may just have added
        // this entry as the last one.
        if is_full() {
            return self.find(hash, is).ok();
        }
        // Made before the lock is taken, because it allocates, and the program's allocator may emit an event that adds an entry.
        let made = make();
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        match self.find(hash, is) {
            Ok(found) => Some(found),
            Err(_) if is_full() => None,
            Err((index, slot)) => {
                let entry = slot.get_or_init(|| made);
                self.len.fetch_add(1, Ordering::Release);
                Some((index, entry))
            }
        }
    }
}

impl<T> Block<T> {
    /// `len` is a power of two.
    fn new(len: usize) -> Self {
        Self { slots: (0..len).map(|_| OnceLock::new()).collect(), next: OnceLock::new() }
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        // The mask keeps the low bits only, so the cast may truncate.
        hash as usize & (self.slots.len() - 1)
    }

    fn next(&self) -> &Self {
        self.next.get_or_init(|| Box::new(Self::new(self.slots.len() * 2)))
    }
}

/// The number of slots in the first block of a growing table, a power of two.
const FIRST_BLOCK: usize = 256;
/// In a growing table: how many slots of each block are searched for an entry.
const WINDOW: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::thread;

    const LIMIT: usize = 64;

    /// Each key has the home slot of another key.
    fn hash(key: u64) -> u64 {
        key / 2
    }

    fn index(table: &AppendOnlyTable<u64>, key: u64) -> Option<usize> {
        Some(table.get_or_add(LIMIT, hash(key), |entry| *entry == key, || key)?.0)
    }

    fn len(table: &AppendOnlyTable<u64>) -> usize {
        let slots = table.first.slots.len();
        let len = (0..slots).filter(|index| table.get(*index).is_some()).count();
        assert_eq!(len, table.len.load(Ordering::Relaxed));
        len
    }

    #[test]
    fn an_entry_is_found_again_by_key_and_by_index() {
        let table = AppendOnlyTable::bounded(LIMIT);
        let indices: Vec<_> = (0..LIMIT as u64).map(|key| index(&table, key).unwrap()).collect();
        for (key, expected) in (0..).zip(indices) {
            assert_eq!(table.get(expected), Some(&key));
            assert_eq!(index(&table, key), Some(expected));
        }
        assert_eq!(len(&table), LIMIT);
        assert_eq!(table.get(usize::MAX), None);
    }

    //
    #[test]
    fn at_the_limit_no_entry_is_made_and_known_entries_are_found() {
        let table = AppendOnlyTable::bounded(LIMIT);
        let last = (0..LIMIT as u64).map(|key| index(&table, key)).last();
        let over = table.get_or_add(LIMIT, hash(64), |entry| *entry == 64, || unreachable!("over"));
        assert_eq!(over, None);
        assert_eq!(index(&table, LIMIT as u64 - 1), last.unwrap());
    }

    /// This also holds at the limit: a key that another thread has just added as the last one is found.
    #[test]
    fn threads_that_add_the_same_keys_at_once_agree_on_one_entry_each() {
        const THREADS: usize = 4;
        for _ in 0..200 {
            let table = AppendOnlyTable::bounded(LIMIT);
            let barrier = Barrier::new(THREADS);
            let add_all = || {
                barrier.wait();
                (0..LIMIT as u64).map(|key| index(&table, key).unwrap()).collect::<Vec<_>>()
            };
            let indices: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(add_all)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(indices.windows(2).all(|pair| pair[0] == pair[1]));
            assert_eq!(len(&table), LIMIT);
        }
    }
}
