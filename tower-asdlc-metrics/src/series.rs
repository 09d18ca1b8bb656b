//! A set of series that only grows, up to a cap, and is read without a lock.

use foldhash::quality::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// An open-addressing hash table whose entries never move and never leave.
///
/// That is all that series need (a cumulative series exists until the process ends), and it makes a look-up a hash, one
/// acquire load and one comparison: no lock, no reference count, no thread-local copy.
#[derive(Debug)]
pub(crate) struct Series<T> {
    slots: Box<[OnceLock<Box<T>>]>,
    len: AtomicUsize,
    /// Held while an entry is added, which happens once for each: reading never takes it.
    inserting: Mutex<()>,
    hasher: RandomState,
}

/// Where an entry stands: a number, so that a request can keep it without borrowing the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot(u32);

impl<T> Series<T> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        // At most half full: a probe for a key that is not there ends after a few steps.
        let slots = (capacity.max(1) * 2).next_power_of_two();
        Self {
            slots: (0..slots).map(|_| OnceLock::new()).collect(),
            len: AtomicUsize::new(0),
            inserting: Mutex::new(()),
            hasher: RandomState::default(),
        }
    }

    /// The entry that `is` recognises among those with the hash of `key`; if there is none, the one that `make` makes.
    ///
    /// `None` when there is none and the table already holds `cap` entries: the caller then has an overflow entry to ask
    /// for, with a higher cap.
    #[inline]
    pub(crate) fn get_or_insert(
        &self,
        cap: usize,
        key: impl Hash,
        is: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<(Slot, &T)> {
        match self.find(self.home(key), &is) {
            Probe::Found(slot, entry) => Some((slot, entry)),
            Probe::Free(index) => self.insert(cap, index, &is, make),
        }
    }

    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        self.slots.get(slot.0 as usize)?.get().map(|entry| &**entry)
    }

    /// Puts a new entry in the first free slot from `index` on, unless another thread has just put the same one there.
    #[cold]
    fn insert(
        &self,
        cap: usize,
        index: usize,
        is: &impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<(Slot, &T)> {
        // When the cap is reached every unknown key comes here: no lock for that. Another thread may have put this very
        // key into the last place since the caller looked, so it is looked for again.
        let full = || self.len.load(Ordering::Acquire) >= cap;
        let _inserting = if full() {
            None
        } else {
            Some(self.inserting.lock().unwrap_or_else(PoisonError::into_inner))
        };
        match self.find(index, is) {
            Probe::Found(slot, entry) => Some((slot, entry)),
            Probe::Free(_) if full() => None,
            Probe::Free(index) => {
                let entry = self.slots[index].get_or_init(|| Box::new(make()));
                self.len.fetch_add(1, Ordering::Release);
                Some((slot(index), entry))
            }
        }
    }

    /// The entry that `is` recognises, or the free slot where it would be, from `index` on.
    ///
    /// The probe ends: the table is at most half full.
    #[inline]
    fn find(&self, mut index: usize, is: &impl Fn(&T) -> bool) -> Probe<'_, T> {
        loop {
            match self.slots[index].get() {
                Some(entry) if is(entry) => return Probe::Found(slot(index), entry),
                Some(_) => index = (index + 1) & (self.slots.len() - 1),
                None => return Probe::Free(index),
            }
        }
    }

    fn home(&self, key: impl Hash) -> usize {
        // Truncation is wanted: the mask keeps the low bits only.
        self.hasher.hash_one(key) as usize & (self.slots.len() - 1)
    }
}

enum Probe<'a, T> {
    Found(Slot, &'a T),
    Free(usize),
}

fn slot(index: usize) -> Slot {
    Slot(index as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    const CAP: usize = 64;

    fn insert(series: &Series<u64>, key: u64) -> Option<u64> {
        series.get_or_insert(CAP, key, |entry| *entry == key, || key).map(|(_, entry)| *entry)
    }

    #[test]
    fn an_entry_is_found_again_by_key_and_by_slot() {
        let series = Series::with_capacity(CAP);
        for key in 0..CAP as u64 {
            let (slot, _) = series.get_or_insert(CAP, key, |entry| *entry == key, || key).unwrap();
            assert_eq!(series.get(slot), Some(&key));
        }
        for key in 0..CAP as u64 {
            let (_, entry) = series
                .get_or_insert(CAP, key, |entry| *entry == key, || unreachable!("it is there"))
                .unwrap();
            assert_eq!(*entry, key);
        }
    }

    //
    #[test]
    fn past_the_cap_nothing_new_is_made_and_the_old_is_still_found() {
        let series = Series::with_capacity(CAP);
        for key in 0..CAP as u64 {
            assert_eq!(insert(&series, key), Some(key));
        }
        let made = series.get_or_insert(
            CAP,
            64_u64,
            |entry| *entry == 64,
            || unreachable!("over the cap"),
        );
        assert!(made.is_none());
        assert_eq!(insert(&series, 3), Some(3));
    }

    #[test]
    fn threads_that_insert_the_same_keys_at_once_agree_on_one_entry_each() {
        const THREADS: usize = 4;
        for _ in 0..200 {
            let series = Series::with_capacity(CAP);
            let barrier = Barrier::new(THREADS);
            let slots: Vec<Vec<Slot>> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS)
                    .map(|_| {
                        scope.spawn(|| {
                            barrier.wait();
                            (0..CAP as u64)
                                .map(|key| {
                                    series
                                        .get_or_insert(CAP, key, |entry| *entry == key, || key)
                                        .unwrap()
                                        .0
                                })
                                .collect()
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(slots.windows(2).all(|pair| pair[0] == pair[1]));
            assert_eq!(series.len.load(Ordering::Relaxed), CAP);
        }
    }
}
