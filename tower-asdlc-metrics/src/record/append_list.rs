//! A short list that only grows and is read without a lock.

use crate::record::entry_limit::Room;
use std::iter;
use std::sync::OnceLock;

/// The entries in the order in which they were added: what is asked for most is usually there first, and found in one step.
#[derive(Debug)]
pub(crate) struct Chain<T> {
    entry: OnceLock<T>,
    /// Once there is an entry, those that came later.
    next: OnceLock<Box<Self>>,
}

impl<T> Chain<T> {
    pub(crate) fn new() -> Self {
        Self { entry: OnceLock::new(), next: OnceLock::new() }
    }

    /// The entry that `is` recognises; if there is none, the one that `make` makes, where `room` has a place for it below
    /// `cap`.
    #[inline]
    pub(crate) fn get_or_add(
        &self,
        room: &Room,
        cap: usize,
        is: impl Fn(&T) -> bool,
        make: impl FnOnce() -> T,
    ) -> Option<&T> {
        self.find(&is).ok().or_else(|| {
            let add = |made| {
                let end = self.find(&is).err().unwrap_or(self);
                end.entry.get_or_init(|| made)
            };
            room.add(cap, || self.find(&is).ok(), make, add)
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let chains = iter::successors(Some(self), |chain| chain.next.get().map(|next| &**next));
        chains.filter_map(|chain| chain.entry.get())
    }

    /// The entry, or the end where it would be.
    #[inline]
    fn find(&self, is: &impl Fn(&T) -> bool) -> Result<&T, &Self> {
        let mut chain = self;
        while let Some(entry) = chain.entry.get() {
            if is(entry) {
                return Ok(entry);
            }
            chain = chain.next.get_or_init(|| Box::new(Self::new()));
        }
        Err(chain)
    }
}

/// Link by link: the one that comes by itself recurses, and its stack grows with the chain.
impl<T> Drop for Chain<T> {
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut chain) = next {
            next = chain.next.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_added_once_and_up_to_the_cap_of_all_chains() {
        let (room, one, other) = (Room::default(), Chain::new(), Chain::new());
        let get = |chain: &Chain<u32>, key| {
            chain.get_or_add(&room, 3, |entry| *entry == key, || key).copied()
        };
        assert_eq!(get(&one, 1), Some(1));
        assert_eq!(get(&one, 2), Some(2));
        assert_eq!(get(&other, 1), Some(1));
        assert_eq!(get(&other, 3), None);
        assert_eq!(get(&one, 2), Some(2));
        assert_eq!(room.len(), 3);
    }
}
