//! The lists of label keys that series have, each stored once.

use crate::families::labels::Labels;
use foldhash::quality::RandomState;
use std::{cmp::Ordering, collections::HashMap, hash::BuildHasher as _};

/// All layouts seen so far.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    all: Vec<Layout>,
    by_hash: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
}

/// A list of label keys, as it is written.
#[derive(Debug, PartialEq)]
struct Layout {
    /// `key="`, sorted by key. After the first, each begins with the end of the label before: `",key="`.
    openings: Vec<String>,
}

/// Which labels a series has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayoutId(u32);

impl Layouts {
    /// The layout with these keys, which are sorted and end with `="`.
    ///
    /// There may be as many layouts as points, so each is found by its hash.
    pub(crate) fn add<'a>(&mut self, keys: impl Iterator<Item = &'a str>) -> LayoutId {
        let layout = Layout::new(keys);
        let Self { all, by_hash, hasher } = self;
        let same_hash = by_hash.entry(hasher.hash_one(&layout.openings)).or_default();
        let known = same_hash.iter().find(|&&id| all[id] == layout).copied();
        let id = known.unwrap_or_else(|| {
            same_hash.push(all.len());
            all.push(layout);
            all.len() - 1
        });
        LayoutId(id as u32)
    }

    /// The layout without the labels at the positions whose bits are set in `empty`.
    pub(crate) fn without(&mut self, layout: LayoutId, empty: u64) -> LayoutId {
        let openings = &self.all[layout.0 as usize].openings;
        let keys: Vec<_> = openings
            .iter()
            .enumerate()
            .filter(|(at, _)| empty >> at & 1 == 0)
            .map(|(_, opening)| opening.trim_start_matches("\",").to_owned())
            .collect();
        self.add(keys.iter().map(String::as_str))
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The labels with these values, whose packed lengths are `lengths`.
    pub(crate) fn labels<'t>(
        &'t self,
        layout: LayoutId,
        values: &'t str,
        lengths: &'t [u8],
    ) -> Labels<'t> {
        Labels { openings: &self.all[layout.0 as usize].openings, values, lengths }
    }

    /// Compares two layouts, to sort the series that have them.
    pub(crate) fn compare(&self, a: LayoutId, b: LayoutId) -> Ordering {
        let openings = |layout: LayoutId| &self.all[layout.0 as usize].openings;
        if a == b { Ordering::Equal } else { openings(a).cmp(openings(b)) }
    }
}

impl LayoutId {
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

impl Layout {
    fn new<'a>(keys: impl Iterator<Item = &'a str>) -> Self {
        let before = |at| if at == 0 { "" } else { "\"," };
        Self { openings: keys.enumerate().map(|(at, key)| before(at).to_owned() + key).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // F-13, a neighbour: labels that are empty at random make about as many layouts as there are points.
    #[test]
    fn a_layout_is_found_by_its_hash_however_many_there_are() {
        let mut layouts = Layouts::default();
        for number in 0..2_000 {
            let keys = [format!("k{number}=\"")];
            let mut add = || layouts.add(keys.iter().map(String::as_str));
            assert_eq!(add(), LayoutId(number));
            assert_eq!(add(), LayoutId(number));
        }
        assert!(layouts.by_hash.values().all(|same_hash| same_hash.len() <= 2));
    }
}
