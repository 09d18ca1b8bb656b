//! A table that only grows, up to a cap, and is read without a lock.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// An open-addressing hash table whose entries never move and never leave: a label value or a series that was once exported
/// exists until the process ends.
#[derive(Debug)]
pub(crate) struct Table<T> {
    slots: Box<[OnceLock<Box<T>>]>,
    len: AtomicUsize,
    /// Held while an entry is added. Nothing else happens under it: the entry itself is made before.
    adding: Mutex<()>,
}

impl<T> Table<T> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        // At most half full: a probe for what is not there ends after a few steps.
        let slots = (capacity.max(1) * 2).next_power_of_two();
        Self {
            slots: (0..slots).map(|_| OnceLock::new()).collect(),
            len: AtomicUsize::new(0),
            adding: Mutex::new(()),
        }
    }

    /// The entry that `is` recognises among those with this hash, and its place; if there is none, the one that `make`
    /// makes. `None` when there is none and the table already holds `cap` entries.
    #[inline]
    pub(crate) fn get_or_add(
        &self,
        cap: usize,
        hash: u64,
        is: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<(usize, &T)> {
        // Truncation is wanted: the mask keeps the low bits only.
        let home = hash as usize & (self.slots.len() - 1);
        self.find(home, &is).ok().or_else(|| self.add(cap, home, &is, make))
    }

    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<&T> {
        self.slots.get(place)?.get().map(|entry| &**entry)
    }

    /// The entry that `is` recognises, or the free slot where it would be.
    #[inline]
    fn find(&self, mut place: usize, is: &impl Fn(&T) -> bool) -> Result<(usize, &T), usize> {
        loop {
            match self.slots[place].get() {
                Some(entry) if is(entry) => return Ok((place, entry)),
                Some(_) => place = (place + 1) & (self.slots.len() - 1),
                None => return Err(place),
            }
        }
    }

    #[cold]
    fn add(
        &self,
        cap: usize,
        home: usize,
        is: &impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<(usize, &T)> {
        let is_full = || self.len.load(Ordering::Acquire) >= cap;
        // Everything unknown comes here for ever once it is full: no lock for that. Another thread may just have added this
        // entry, as the last one.
        if is_full() {
            return self.find(home, is).ok();
        }
        let made = Box::new(make());
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        match self.find(home, is) {
            Ok(found) => Some(found),
            Err(_) if is_full() => None,
            Err(place) => {
                let entry = self.slots[place].get_or_init(|| made);
                self.len.fetch_add(1, Ordering::Release);
                Some((place, entry))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::thread;

    const CAP: usize = 64;

    /// Every key shares its place with another.
    fn hash(key: u64) -> u64 {
        key / 2
    }

    fn place(table: &Table<u64>, key: u64) -> Option<usize> {
        Some(table.get_or_add(CAP, hash(key), |entry| *entry == key, || key)?.0)
    }

    fn len(table: &Table<u64>) -> usize {
        let len = (0..table.slots.len()).filter(|place| table.get(*place).is_some()).count();
        assert_eq!(len, table.len.load(Ordering::Relaxed));
        len
    }

    #[test]
    fn an_entry_is_found_again_by_key_and_by_place() {
        let table = Table::with_capacity(CAP);
        let places: Vec<_> = (0..CAP as u64).map(|key| place(&table, key).unwrap()).collect();
        for (key, expected) in (0..).zip(places) {
            assert_eq!(table.get(expected), Some(&key));
            assert_eq!(place(&table, key), Some(expected));
        }
        assert_eq!(len(&table), CAP);
        assert_eq!(table.get(usize::MAX), None);
    }

    //
    #[test]
    fn past_the_cap_nothing_new_is_made_and_the_old_is_still_found() {
        let table = Table::with_capacity(CAP);
        let last = (0..CAP as u64).map(|key| place(&table, key)).last();
        let over = table.get_or_add(CAP, hash(64), |entry| *entry == 64, || unreachable!("over"));
        assert_eq!(over, None);
        assert_eq!(place(&table, CAP as u64 - 1), last.unwrap());
    }

    /// Also at the cap: a key that another thread has just added as the last one is not over it.
    #[test]
    fn threads_that_add_the_same_keys_at_once_agree_on_one_entry_each() {
        const THREADS: usize = 4;
        for _ in 0..200 {
            let table = Table::with_capacity(CAP);
            let barrier = Barrier::new(THREADS);
            let add_all = || {
                barrier.wait();
                (0..CAP as u64).map(|key| place(&table, key).unwrap()).collect::<Vec<_>>()
            };
            let places: Vec<_> = thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(add_all)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(places.windows(2).all(|pair| pair[0] == pair[1]));
            assert_eq!(len(&table), CAP);
        }
    }
}
