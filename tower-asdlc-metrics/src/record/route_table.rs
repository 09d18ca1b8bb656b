use crate::record::entry_limit::EntryLimit;
use foldhash::fast::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

/// A hash table with open addressing whose entries never move and are never removed.
///
/// Routes need no more, because a cumulative series exists until the process ends. A look-up is a hash, one acquire load and one
/// comparison: it takes no lock and changes no reference count.
#[derive(Debug)]
pub(crate) struct RouteTable<T> {
    slots: Box<[OnceLock<Box<T>>]>,
    entries: EntryLimit,
    hasher: RandomState,
}

/// The index of a route in its table. An exchange keeps it without borrowing the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RouteId(pub(crate) u32);

impl RouteId {
    /// The index of no route.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

impl<T> RouteTable<T> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        // At most half full, so that the probe for a key that is not in the table ends after a few steps.
        let slots = (capacity.max(1) * 2).next_power_of_two();
        Self {
            slots: (0..slots).map(|_| OnceLock::new()).collect(),
            entries: EntryLimit::default(),
            hasher: RandomState::default(),
        }
    }

    /// Returns the entry for which `matches` is true, among those with the hash of `key`.
    #[inline(always)]
    pub(crate) fn find(&self, key: (u64, &str), matches: impl Fn(&T) -> bool) -> Option<RouteId> {
        self.probe(self.home(key), &matches).ok()
    }

    /// Returns the entry like [`find`](Self::find). If there is none, adds the entry that `create` returns, unless the table has
    /// `limit` entries. `limit` must not exceed the capacity.
    #[inline(always)]
    pub(crate) fn find_or_add(
        &self,
        limit: usize,
        key: (u64, &str),
        matches: impl Fn(&T) -> bool,
        create: impl FnOnce() -> T,
    ) -> Option<RouteId> {
        let home = self.home(key);
        let find = || self.probe(home, &matches).ok();
        find().or_else(|| {
            let insert = |created| {
                let index = self.probe(home, &matches).err().unwrap_or(home);
                self.slots[index].get_or_init(|| created);
                RouteId(index as u32)
            };
            self.entries.find_or_insert(limit, find, || Box::new(create()), insert)
        })
    }

    pub(crate) fn is_full(&self, limit: usize) -> bool {
        self.entries.is_reached(limit)
    }

    #[inline(always)]
    pub(crate) fn get(&self, id: RouteId) -> Option<&T> {
        self.slots.get(id.0 as usize)?.get().map(|entry| &**entry)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.get().map(|entry| &**entry))
    }

    /// The index at which the probe for this key starts.
    #[inline(always)]
    fn home(&self, (number, text): (u64, &str)) -> usize {
        // `Hash` would also write a terminator. It is not needed: the number has a fixed length.
        let mut hasher = self.hasher.build_hasher();
        hasher.write(text.as_bytes());
        hasher.write_u64(number);
        // The mask needs only the low bits, so truncation is harmless.
        hasher.finish() as usize & (self.slots.len() - 1)
    }

    /// Returns the entry for which `matches` is true, or the index of the free slot for it. The loop ends because the table is at
    /// most half full.
    #[inline(always)]
    fn probe(&self, mut index: usize, matches: &impl Fn(&T) -> bool) -> Result<RouteId, usize> {
        loop {
            match self.slots[index].get() {
                Some(entry) if matches(entry) => return Ok(RouteId(index as u32)),
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

    const LIMIT: usize = 64;

    fn find_or_add(table: &RouteTable<u64>, key: u64) -> Option<RouteId> {
        table.find_or_add(LIMIT, (key, ""), |entry| *entry == key, || key)
    }

    #[test]
    fn an_entry_is_found_again_by_key_and_by_id() {
        let table = RouteTable::with_capacity(LIMIT);
        let ids: Vec<_> = (0..LIMIT as u64).map(|key| find_or_add(&table, key).unwrap()).collect();
        for (key, expected) in (0..).zip(ids) {
            assert_eq!(table.get(expected), Some(&key));
            assert_eq!(find_or_add(&table, key), Some(expected));
            assert_eq!(table.find((key, ""), |entry| *entry == key), Some(expected));
        }
        assert_eq!(table.entries.len(), LIMIT);
    }

    #[test]
    fn the_iterator_returns_all_entries_whatever_their_slots() {
        // Hashes are random, so that each of the two slots is used in some rounds.
        for _ in 0..64 {
            let table = RouteTable::with_capacity(1);
            assert_eq!(table.iter().count(), 0);
            find_or_add(&table, 1).unwrap();
            assert_eq!(table.iter().collect::<Vec<_>>(), [&1_u64]);
        }
    }

    //
    #[test]
    fn beyond_the_limit_no_entry_is_created_and_the_existing_ones_are_found() {
        let table = RouteTable::with_capacity(LIMIT);
        let last = (0..LIMIT as u64).map(|key| find_or_add(&table, key)).last();
        let create = || unreachable!("beyond the limit");
        assert_eq!(table.find_or_add(LIMIT, (64, ""), |entry| *entry == 64, create), None);
        assert_eq!(find_or_add(&table, LIMIT as u64 - 1), last.unwrap());
    }

    #[test]
    fn threads_that_add_the_same_keys_at_once_agree_on_one_entry_each() {
        const THREADS: usize = 4;
        for _ in 0..200 {
            let table = RouteTable::with_capacity(LIMIT);
            let barrier = Barrier::new(THREADS);
            let add_all = || {
                barrier.wait();
                (0..LIMIT as u64).map(|key| find_or_add(&table, key).unwrap()).collect::<Vec<_>>()
            };
            let ids: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(add_all)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
            assert_eq!(table.entries.len(), LIMIT);
        }
    }
}
