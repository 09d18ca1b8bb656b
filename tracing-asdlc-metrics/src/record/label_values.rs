//! The values that a label has had, each a small number.

use crate::record::table::Table;
use crate::rule::label::Label;
use foldhash::quality::RandomState;
use std::hash::{BuildHasher, Hasher};

/// The values of one label. Rules with the same label share them.
#[derive(Debug)]
pub(crate) struct Values {
    label: Label,
    known: Known,
}

#[derive(Debug)]
enum Known {
    /// A short list of values, all there is: to compare with each is less than to hash.
    List(Box<[Box<str>]>),
    Table(Table<Box<str>>, RandomState),
}

/// A value's number: fits into 16 bits, see [`Ids`].
pub(crate) type ValueId = u16;

/// The field has no value.
pub(crate) const MISSING: ValueId = 0;
/// Not one of the values that are kept.
pub(crate) const OTHER: ValueId = 1;
const FIRST: usize = 2;
/// How many values a list may have that is searched from its start.
const SHORT: usize = 8;

impl Values {
    pub(crate) fn new(label: Label) -> Self {
        let values = label.values().unwrap_or_default();
        if (1..=SHORT).contains(&values.len()) {
            let list = values.iter().map(|value| Box::from(&**value)).collect();
            return Self { known: Known::List(list), label };
        }
        let table = Table::with_capacity(label.cap());
        let values = Self { known: Known::Table(table, RandomState::default()), label };
        for value in values.label.values().unwrap_or_default() {
            values.id(value);
        }
        values
    }

    pub(crate) fn label(&self) -> &Label {
        &self.label
    }

    #[inline]
    pub(crate) fn id(&self, value: &str) -> ValueId {
        let place = match &self.known {
            Known::List(list) => list.iter().position(|known| **known == *value),
            Known::Table(table, hasher) => self.place_in(table, hasher, value),
        };
        // It fits: no label keeps more than 1000 values, and their table has twice the room.
        place.map_or(OTHER, |place| (place + FIRST) as ValueId)
    }

    #[inline(never)]
    fn place_in(
        &self,
        table: &Table<Box<str>>,
        hasher: &RandomState,
        value: &str,
    ) -> Option<usize> {
        if value.len() > self.label.max_bytes() {
            return None;
        }
        // `Hash` of a string would add a byte, which separates it from a next one.
        let mut hasher = hasher.build_hasher();
        hasher.write(value.as_bytes());
        let hash = hasher.finish();
        let made = || value.into();
        Some(table.get_or_add(self.label.cap(), hash, |known| **known == *value, made)?.0)
    }

    /// The value as it stands in the label; `None` when the label is missing.
    pub(crate) fn value(&self, id: ValueId) -> Option<&str> {
        match id {
            MISSING => self.label.default_value(),
            OTHER => Some(self.label.other()),
            id => {
                let place = usize::from(id) - FIRST;
                let value = match &self.known {
                    Known::List(list) => list.get(place),
                    Known::Table(table, _) => table.get(place),
                };
                value.map(|value| &**value)
            }
        }
    }
}

/// The numbers of the values that were captured of one span or event, by the place of their capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids(pub(crate) [u64; IDS_WORDS]);

impl Ids {
    #[inline]
    pub(crate) fn get(&self, place: usize) -> ValueId {
        // Truncation is wanted: it is one of four.
        (self.0[place / 4] >> (place % 4 * 16)) as ValueId
    }

    #[inline]
    pub(crate) fn set(&mut self, place: usize, id: ValueId) {
        let word = &mut self.0[place / 4];
        let shift = place % 4 * 16;
        *word = *word & !(0xFFFF << shift) | u64::from(id) << shift;
    }
}

pub(crate) const IDS_WORDS: usize = 3;
/// The most values captured of one span or event.
pub(crate) const CAPTURES: usize = IDS_WORDS * 4;

#[cfg(test)]
mod tests {
    use super::*;

    // Trap 10
    #[test]
    fn the_first_values_are_kept_and_all_later_ones_are_one() {
        let values = Values::new(Label::field("user").with_max_values(3));
        let ids = ["a", "b", "", "d", "e", "a", "b", ""].map(|value| values.id(value));
        assert_eq!(ids[3..5], [OTHER, OTHER]);
        assert_eq!(ids[..3], ids[5..]);
        let texts: Vec<_> = ids[..5].iter().map(|id| values.value(*id)).collect();
        assert_eq!(texts, ["a", "b", "", "other", "other"].map(Some));
        assert_eq!(values.value(MISSING), None);
    }

    #[test]
    fn a_fixed_list_takes_nothing_else_and_nothing_too_long() {
        let label = Label::field("op").with_values(["get", "put"]).with_default("none");
        let values = Values::new(label);
        assert_eq!(values.value(values.id("put")), Some("put"));
        assert_eq!(values.id("delete"), OTHER);
        assert_eq!(values.value(MISSING), Some("none"));
        let values = Values::new(Label::field("op").with_max_bytes(2));
        assert_eq!(values.id("abc"), OTHER);
        assert_ne!(values.id("ab"), OTHER);
    }

    #[test]
    fn ids_are_kept_by_place() {
        let mut ids = Ids::default();
        for place in 0..CAPTURES {
            ids.set(place, 7);
            ids.set(place, u16::MAX - place as u16);
        }
        for place in 0..CAPTURES {
            assert_eq!(ids.get(place), u16::MAX - place as u16);
        }
    }
}
