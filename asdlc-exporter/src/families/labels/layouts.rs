//! The scopes and lists of label keys that series have, each combination stored once.

use crate::families::{
    labels::text::{key, pairs, push_key, with_escaped_keys},
    names::escaped_names::EscapedKeys,
};
use foldhash::quality::RandomState;
use std::{borrow::Cow, cmp::Ordering, collections::HashMap, hash::BuildHasher as _, sync::Arc};

/// All layouts seen so far.
#[derive(Debug, Default)]
pub(crate) struct Layouts {
    all: Vec<Layout>,
    by_hash: HashMap<u64, Vec<usize>>,
    hasher: RandomState,
}

/// Scope labels and a list of label keys, as they are written.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::families) struct Layout {
    /// Of the fields below. It is the same after [`Layouts::clear`].
    pub(in crate::families) hash: u64,
    /// The labels of the scope, if there are any. The layouts of a scope share one text.
    pub(in crate::families) scope: Option<Arc<str>>,
    /// `key="`, sorted by key. After the first, each begins with the end of the label before: `",key="`.
    /// Keys in UTF-8 have quotes.
    pub(in crate::families) openings: Vec<String>,
}

/// Which labels a series has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LayoutId(u32);

impl Layouts {
    /// The layout with these scope labels and keys. The keys are sorted.
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
        let keys = self.all[layout.0 as usize].keys().enumerate();
        let keys: Vec<_> =
            keys.filter(|(at, _)| empty >> at & 1 == 0).map(|(_, key)| key.into_owned()).collect();
        self.add(scope, keys.iter().map(String::as_str))
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Forgets all layouts. The same layouts get other numbers later, and the same hashes.
    pub(crate) fn clear(&mut self) {
        (self.all, self.by_hash) = Default::default();
    }

    pub(in crate::families) fn all(&self) -> &[Layout] {
        &self.all
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

    /// The index of the layout.
    pub(in crate::families) fn index(self) -> usize {
        self.0 as usize
    }
}

impl Layout {
    /// The layout of a series without labels.
    #[cfg(test)]
    pub(in crate::families) const EMPTY: Self = Self { hash: 0, scope: None, openings: Vec::new() };

    fn new<'a>(
        scope: Option<&Arc<str>>,
        keys: impl Iterator<Item = &'a str>,
        hasher: &RandomState,
    ) -> Self {
        let (scope, openings) = (scope.map(Arc::clone), openings(keys));
        Self { hash: hasher.hash_one((&scope, &openings)), scope, openings }
    }

    /// The keys, without those of the scope.
    pub(in crate::families) fn keys(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.openings.iter().enumerate().map(|(at, opening)| {
            let opening = &opening[if at == 0 { 0 } else { END.len() }..];
            key(opening.strip_suffix(BEGIN).unwrap_or(opening))
        })
    }
}

/// The layouts as they are written with an escaping.
#[derive(Debug)]
pub(in crate::families) struct EscapedLayouts {
    keys: EscapedKeys,
    /// By the text that is escaped.
    scopes: HashMap<Arc<str>, Arc<str>>,
    all: Vec<Layout>,
}

impl EscapedLayouts {
    pub(in crate::families) fn new(keys: EscapedKeys) -> Self {
        Self { keys, scopes: HashMap::new(), all: Vec::new() }
    }

    /// Adds the layouts that are not yet there.
    pub(in crate::families) fn add(&mut self, layouts: &Layouts) {
        let Self { keys, scopes, all } = self;
        let new = &layouts.all[all.len()..];
        if new.is_empty() {
            return;
        }
        let mut new_keys: Vec<Cow<'_, str>> = new.iter().flat_map(Layout::keys).collect();
        for scope in new.iter().filter_map(|layout| layout.scope.as_ref()) {
            if !scopes.contains_key(scope) {
                new_keys.extend(pairs(scope).map(|(key, _)| key));
            }
        }
        keys.add(new_keys.iter().map(AsRef::as_ref));
        for layout in new {
            let scope = layout.scope.as_ref().map(|scope| {
                let escape = || Arc::from(with_escaped_keys(scope, keys));
                Arc::clone(scopes.entry(Arc::clone(scope)).or_insert_with(escape))
            });
            let escaped: Vec<_> = layout.keys().map(|key| keys.get(&key).to_owned()).collect();
            let openings = openings(escaped.iter().map(String::as_str));
            all.push(Layout { hash: layout.hash, scope, openings });
        }
    }

    pub(in crate::families) fn keys(&mut self) -> &mut EscapedKeys {
        &mut self.keys
    }

    pub(in crate::families) fn all(&self) -> &[Layout] {
        &self.all
    }
}

/// What is between the value before and the value of this key. For the first key, [`END`] has to be removed.
pub(in crate::families) fn opening(key: &str) -> String {
    let mut opening = END.to_owned();
    push_key(&mut opening, key);
    opening + BEGIN
}

fn openings<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut openings: Vec<_> = keys.map(opening).collect();
    if let Some(first) = openings.first_mut() {
        first.drain(..END.len());
    }
    openings
}

/// Between a key and its value.
const BEGIN: &str = "=\"";
/// Between a value and the next key.
pub(in crate::families) const END: &str = "\",";

#[cfg(test)]
mod tests {
    use super::*;

    // F-13, a neighbour: labels that are empty at random make about as many layouts as there are points.
    #[test]
    fn a_layout_is_found_by_its_hash_however_many_there_are() {
        let mut layouts = Layouts::default();
        for number in 0..2_000 {
            let keys = [format!("k{number}")];
            let mut add = || layouts.add(None, keys.iter().map(String::as_str));
            assert_eq!(add(), LayoutId(number));
            assert_eq!(add(), LayoutId(number));
        }
        assert!(layouts.by_hash.values().all(|same_hash| same_hash.len() <= 2));
    }
}
