//! A set of series that only grows, up to a cap, and is read without a lock.

use crate::record::entry_limit::Room;
use foldhash::fast::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

/// An open-addressing hash table whose entries never move and never leave.
///
/// That is all that series need (a cumulative series exists until the process ends), and it makes a look-up a hash, one
/// acquire load and one comparison: no lock, no reference count, no thread-local copy.
#[derive(Debug)]
pub(crate) struct Series<T> {
    slots: Box<[OnceLock<Box<T>>]>,
    room: Room,
    hasher: RandomState,
}

/// Where an entry stands: a number, so that a request can keep it without borrowing the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u32);

impl Slot {
    /// Where nothing stands.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

impl<T> Series<T> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        // At most half full: a probe for a key that is not there ends after a few steps.
        let slots = (capacity.max(1) * 2).next_power_of_two();
        Self {
            slots: (0..slots).map(|_| OnceLock::new()).collect(),
            room: Room::default(),
            hasher: RandomState::default(),
        }
    }

    /// The entry that `is` recognises among those with the hash of `key`; if there is none, the one that `make` makes.
    ///
    /// `None` when there is none and the table already holds `cap` entries: the caller then has an overflow entry to ask
    /// for, with a higher cap.
    #[inline(always)]
    pub(crate) fn get_or_add(
        &self,
        cap: usize,
        key: (u64, &str),
        is: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<Slot> {
        let home = self.home(key);
        self.find(home, &is).ok().or_else(|| {
            let add = |made| {
                let index = self.find(home, &is).err().unwrap_or(home);
                self.slots[index].get_or_init(|| made);
                Slot(index as u32)
            };
            self.room.add(cap, || self.find(home, &is).ok(), || Box::new(make()), add)
        })
    }

    /// The entry that `is` recognises among those with the hash of `key`.
    #[inline(always)]
    pub(crate) fn look_up(&self, key: (u64, &str), is: impl Fn(&T) -> bool) -> Option<Slot> {
        self.find(self.home(key), &is).ok()
    }

    pub(crate) fn is_full(&self, cap: usize) -> bool {
        self.room.is_full(cap)
    }

    #[inline(always)]
    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        self.slots.get(slot.0 as usize)?.get().map(|entry| &**entry)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.get().map(|entry| &**entry))
    }

    #[inline(always)]
    fn home(&self, (number, text): (u64, &str)) -> usize {
        // Less than `Hash` would write: the two cannot be mistaken for one another.
        let mut hasher = self.hasher.build_hasher();
        hasher.write(text.as_bytes());
        hasher.write_u64(number);
        // Truncation is wanted: the mask keeps the low bits only.
        hasher.finish() as usize & (self.slots.len() - 1)
    }

    /// The slot of the entry that `is` recognises, or the free one where it would be. The probe ends, for the table is at
    /// most half full.
    #[inline(always)]
    fn find(&self, mut index: usize, is: &impl Fn(&T) -> bool) -> Result<Slot, usize> {
        loop {
            match self.slots[index].get() {
                Some(entry) if is(entry) => return Ok(Slot(index as u32)),
                Some(_) => index = (index + 1) & (self.slots.len() - 1),
                None => return Err(index),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    const CAP: usize = 64;

    fn slot(series: &Series<u64>, key: u64) -> Option<Slot> {
        series.get_or_add(CAP, (key, ""), |entry| *entry == key, || key)
    }

    #[test]
    fn an_entry_is_found_again_by_key_and_by_slot() {
        let series = Series::with_capacity(CAP);
        let slots: Vec<_> = (0..CAP as u64).map(|key| slot(&series, key).unwrap()).collect();
        for (key, expected) in (0..).zip(slots) {
            assert_eq!(series.get(expected), Some(&key));
            assert_eq!(slot(&series, key), Some(expected));
        }
        assert_eq!(series.room.len(), CAP);
    }

    #[test]
    fn all_entries_are_gone_through_wherever_they_stand() {
        // Hashes are random: of the two slots each is the home now and then.
        for _ in 0..64 {
            let series = Series::with_capacity(1);
            assert_eq!(series.iter().count(), 0);
            slot(&series, 1).unwrap();
            assert_eq!(series.iter().collect::<Vec<_>>(), [&1_u64]);
        }
    }

    //
    #[test]
    fn past_the_cap_nothing_new_is_made_and_the_old_is_still_found() {
        let series = Series::with_capacity(CAP);
        let last = (0..CAP as u64).map(|key| slot(&series, key)).last();
        let made = series.get_or_add(CAP, (64, ""), |entry| *entry == 64, || unreachable!("over"));
        assert_eq!(made, None);
        assert_eq!(slot(&series, CAP as u64 - 1), last.unwrap());
    }

    #[test]
    fn threads_that_add_the_same_keys_at_once_agree_on_one_entry_each() {
        const THREADS: usize = 4;
        for _ in 0..200 {
            let series = Series::with_capacity(CAP);
            let barrier = Barrier::new(THREADS);
            let add_all = || {
                barrier.wait();
                (0..CAP as u64).map(|key| slot(&series, key).unwrap()).collect::<Vec<_>>()
            };
            let slots: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(add_all)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(slots.windows(2).all(|pair| pair[0] == pair[1]));
            assert_eq!(series.room.len(), CAP);
        }
    }
}
