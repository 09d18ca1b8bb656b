use crate::record::entry_limit::EntryLimit;
use std::iter;
use std::sync::OnceLock;

/// A short list that only grows and that is read without a lock.
///
/// The entries are in the order in which they were added. The most frequent one is usually the first, and is found in one step.
#[derive(Debug)]
pub(crate) struct AppendList<T> {
    entry: OnceLock<T>,
    /// The later entries. Set only after `entry`.
    next: OnceLock<Box<Self>>,
}

impl<T> AppendList<T> {
    pub(crate) fn new() -> Self {
        Self { entry: OnceLock::new(), next: OnceLock::new() }
    }

    /// The entry that was added first.
    #[inline(always)]
    pub(crate) fn first(&self) -> Option<&T> {
        self.entry.get()
    }

    /// Returns the entry for which `matches` is true.
    #[inline]
    fn find(&self, matches: impl Fn(&T) -> bool) -> Option<&T> {
        self.find_or_end(&matches).ok()
    }

    /// Returns the entry for which `matches` is true. If there is none, adds the entry that `create` returns, unless `entries`
    /// has reached `limit`.
    pub(crate) fn find_or_add(
        &self,
        entries: &EntryLimit,
        limit: usize,
        matches: impl Fn(&T) -> bool,
        create: impl FnOnce() -> T,
    ) -> Option<&T> {
        self.find(&matches).or_else(|| {
            let insert = |created| {
                let end = self.find_or_end(&matches).err().unwrap_or(self);
                end.entry.get_or_init(|| created)
            };
            entries.find_or_insert(limit, || self.find(&matches), create, insert)
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let lists = iter::successors(Some(self), |list| list.next.get().map(|next| &**next));
        lists.filter_map(|list| list.entry.get())
    }

    /// Returns the entry for which `matches` is true, or the empty end of the list. Allocates the end if it does not exist yet.
    #[inline]
    fn find_or_end(&self, matches: &impl Fn(&T) -> bool) -> Result<&T, &Self> {
        let mut list = self;
        while let Some(entry) = list.entry.get() {
            if matches(entry) {
                return Ok(entry);
            }
            list = list.next.get_or_init(|| Box::new(Self::new()));
        }
        Err(list)
    }
}

/// Drops the links in a loop. The generated destructor would recurse, and would need more stack for a longer list.
impl<T> Drop for AppendList<T> {
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut list) = next {
            next = list.next.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_added_once_and_up_to_the_limit_of_all_lists() {
        let (entries, one, other) = (EntryLimit::default(), AppendList::new(), AppendList::new());
        let get = |list: &AppendList<u32>, key| {
            list.find_or_add(&entries, 3, |entry| *entry == key, || key).copied()
        };
        assert_eq!(get(&one, 1), Some(1));
        assert_eq!(get(&one, 2), Some(2));
        assert_eq!(get(&other, 1), Some(1));
        assert_eq!(get(&other, 3), None);
        assert_eq!(get(&one, 2), Some(2));
        assert_eq!(entries.len(), 3);
    }
}
