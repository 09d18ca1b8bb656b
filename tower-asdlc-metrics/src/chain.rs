//! A short list that only grows and is read without a lock.

use crate::room::Room;
use std::sync::OnceLock;

/// The entries in the order in which they were added: what is asked for most is usually there first, and found in one step.
#[derive(Debug)]
pub(crate) struct Chain<T>(OnceLock<Box<Link<T>>>);

#[derive(Debug)]
struct Link<T> {
    entry: T,
    next: Chain<T>,
}

impl<T> Chain<T> {
    pub(crate) fn new() -> Self {
        Self(OnceLock::new())
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
            let add = || {
                let end = self.find(&is).err().unwrap_or(self);
                &end.0.get_or_init(|| Box::new(Link { entry: make(), next: Self::new() })).entry
            };
            room.add(cap, || self.find(&is).ok(), add)
        })
    }

    /// The entry, or the end where it would be.
    #[inline]
    fn find(&self, is: &impl Fn(&T) -> bool) -> Result<&T, &Self> {
        let mut chain = self;
        while let Some(link) = chain.0.get() {
            if is(&link.entry) {
                return Ok(&link.entry);
            }
            chain = &link.next;
        }
        Err(chain)
    }
}

/// Link by link: the one that comes by itself recurses, and its stack grows with the chain.
impl<T> Drop for Chain<T> {
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(mut link) = next {
            next = link.next.0.take();
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
