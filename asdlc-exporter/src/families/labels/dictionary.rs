//! The labels of encoded rows.

use crate::families::labels::packed_lengths;
use foldhash::quality::RandomState;
use std::{collections::HashMap, hash::BuildHasher as _};

/// Each different label once, with a number. Large families have many series, but few different labels.
///
/// The text of a label is `key="value` if it is the first one of a series, and `",key="value` otherwise. Values have no escapes.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    text: String,
    /// Where each label ends in the text.
    ends: Vec<u32>,
    /// The numbers of labels by their hashes. It is empty between scrapes.
    by_hash: HashMap<u64, LabelNumber, RandomState>,
    hasher: RandomState,
    /// Whether a scrape may encode rows that are too large to be kept as text.
    pub(super) may_encode: bool,
}

/// The number of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::families) struct LabelNumber(pub(super) u32);

impl Dictionary {
    /// The text of a label.
    #[inline]
    pub(in crate::families) fn label(&self, LabelNumber(number): LabelNumber) -> &str {
        let at = number as usize;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[at] as usize]
    }

    /// The number of this label, which is added if it is new.
    pub(super) fn add(&mut self, label: &str) -> LabelNumber {
        if self.by_hash.is_empty() {
            let hash = |at: u32| self.hasher.hash_one(self.label(LabelNumber(at)));
            self.by_hash =
                (0..self.ends.len() as u32).map(|at| (hash(at), LabelNumber(at))).collect();
        }
        let hash = self.hasher.hash_one(label);
        if let Some(&number) = self.by_hash.get(&hash).filter(|it| self.label(**it) == label) {
            return number;
        }
        // If another label has the same hash, this one takes its place in `by_hash`. The other one is added again when it comes
        // next, so a label may have several numbers.
        let number = LabelNumber(self.ends.len() as u32);
        self.text.push_str(label);
        self.ends.push(self.text.len() as u32);
        self.by_hash.insert(hash, number);
        number
    }

    /// How many bytes it has.
    pub(super) fn size(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<u32>()
    }

    /// Ends a scrape. `may_encode` says whether the next one may encode rows that this one could not keep.
    pub(super) fn end_scrape(&mut self, may_encode: bool) {
        self.may_encode |= may_encode;
        if !self.by_hash.is_empty() {
            self.by_hash = HashMap::default();
            self.text.shrink_to_fit();
            self.ends.shrink_to_fit();
        }
    }
}

/// The labels of one row.
#[derive(Clone, Copy, Debug)]
pub(in crate::families) struct EncodedRow<'t> {
    pub(super) dictionary: &'t Dictionary,
    /// The numbers of its labels. Unused ones may follow, so read only as many as the layout has keys.
    pub(super) numbers: &'t [LabelNumber],
}

impl<'t> EncodedRow<'t> {
    /// Removes and returns the first label.
    pub(super) fn take_first(&mut self) -> Option<&'t str> {
        let (first, rest) = self.numbers.split_first()?;
        self.numbers = rest;
        Some(self.dictionary.label(*first))
    }

    /// Appends the labels and the packed lengths of their values. Returns how many bytes the labels have.
    pub(super) fn decode(self, out: &mut String, openings: &[String]) -> usize {
        let start = out.len();
        self.labels().zip(openings).for_each(|(label, _)| out.push_str(label));
        let len = out.len() - start;
        for (label, opening) in self.labels().zip(openings) {
            packed_lengths::push(out, label.len() - opening.len());
        }
        len
    }

    #[inline]
    pub(super) fn labels(self) -> impl Iterator<Item = &'t str> {
        self.numbers.iter().map(move |number| self.dictionary.label(*number))
    }
}
