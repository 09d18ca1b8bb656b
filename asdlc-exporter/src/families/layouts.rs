//! The scopes and lists of label keys that series have, each combination stored once.

use crate::families::labels::Labels;
use foldhash::quality::RandomState;
use std::{cmp::Ordering, collections::HashMap, hash::BuildHasher as _, sync::Arc};

/// All layouts seen so far.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    all: Vec<Layout>,
    by_hash: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
}

/// Scope labels and a list of label keys, as they are written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Of the fields below. It is the same after [`Layouts::clear`].
    pub(super) hash: u64,
    /// The labels of the scope, if there are any. The layouts of a scope share one text.
    pub(super) scope: Option<Arc<str>>,
    /// `key="`, sorted by key. After the first, each begins with the end of the label before: `",key="`.
    pub(super) openings: Vec<String>,
}

/// Which labels a series has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LayoutId(u32);

impl Layouts {
    /// The layout with these scope labels and keys. The keys are sorted and end with `="`.
    ///
    /// There may be as many layouts as points, so each is found by its hash.
    pub(crate) fn add<'a>(
        &mut self,
        scope: Option<&Arc<str>>,
        keys: impl Iterator<Item = &'a str>,
    ) -> LayoutId {
        let Self { all, by_hash, hasher } = self;
        let layout = Layout::new(scope, keys, hasher);
        let same_hash = by_hash.entry(layout.hash).or_default();
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
        let scope = self.all[layout.0 as usize].scope.clone();
        self.variant(layout, scope.as_ref(), empty)
    }

    /// The layout with these scope labels instead.
    pub(crate) fn in_scope(&mut self, layout: LayoutId, scope: Option<&Arc<str>>) -> LayoutId {
        self.variant(layout, scope, 0)
    }

    fn variant(&mut self, layout: LayoutId, scope: Option<&Arc<str>>, empty: u64) -> LayoutId {
        let openings = &self.all[layout.0 as usize].openings;
        let keys: Vec<_> = openings
            .iter()
            .enumerate()
            .filter(|(at, _)| empty >> at & 1 == 0)
            .map(|(_, opening)| opening.trim_start_matches("\",").to_owned())
            .collect();
        self.add(scope, keys.iter().map(String::as_str))
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Forgets all layouts. The same layouts get other numbers later, and the same hashes.
    pub(crate) fn clear(&mut self) {
        (self.all, self.by_hash) = Default::default();
    }

    /// The labels with these values, whose packed lengths are `lengths`.
    pub(crate) fn labels<'t>(
        &'t self,
        layout: LayoutId,
        values: &'t str,
        lengths: &'t [u8],
    ) -> Labels<'t> {
        Labels { layout: &self.all[layout.0 as usize], values, lengths }
    }

    /// Compares two layouts, to sort the series that have them.
    pub(crate) fn compare(&self, a: LayoutId, b: LayoutId) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        let [a, b] = [a, b].map(|layout| &self.all[layout.0 as usize]);
        a.scope.cmp(&b.scope).then_with(|| a.openings.cmp(&b.openings))
    }
}

impl LayoutId {
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

impl Layout {
    /// The layout of a series without labels.
    #[cfg(test)]
    pub(super) const EMPTY: Self = Self { hash: 0, scope: None, openings: Vec::new() };

    fn new<'a>(
        scope: Option<&Arc<str>>,
        keys: impl Iterator<Item = &'a str>,
        hasher: &RandomState,
    ) -> Self {
        let before = |at| if at == 0 { "" } else { "\"," };
        let openings: Vec<_> =
            keys.enumerate().map(|(at, key)| before(at).to_owned() + key).collect();
        Self { hash: hasher.hash_one((scope, &openings)), scope: scope.map(Arc::clone), openings }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.openings.iter().enumerate().map(|(at, opening)| {
            let key = &opening[..opening.len() - "=\"".len()];
            if at == 0 { key } else { &key["\",".len()..] }
        })
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
            let mut add = || layouts.add(None, keys.iter().map(String::as_str));
            assert_eq!(add(), LayoutId(number));
            assert_eq!(add(), LayoutId(number));
        }
        assert!(layouts.by_hash.values().all(|same_hash| same_hash.len() <= 2));
    }
}
