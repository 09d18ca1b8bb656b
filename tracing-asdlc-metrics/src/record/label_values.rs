//! The values of a label, each with a small number, which is its id.

use crate::record::append_only_table::AppendOnlyTable;
use crate::record::text_list::TextList;
use crate::rule::label::Label;
use foldhash::quality::RandomState;
use std::hash::{BuildHasher, Hasher};

/// The values of one label. Rules with an equal label share them.
#[derive(Debug)]
pub(crate) struct LabelValues {
    label: Label,
    known: Known,
}

#[derive(Debug)]
enum Known {
    /// A short list of all values: comparing with each of them takes less time than hashing.
    List(TextList),
    Table(AppendOnlyTable<Box<str>>, RandomState),
}

/// The id of a value. It has 16 bits, so that [`ValueIds`] are small.
pub(crate) type ValueId = u16;

/// The field has no value.
pub(crate) const MISSING: ValueId = 0;
/// The value is not one of those that are kept.
pub(crate) const OVERFLOW: ValueId = 1;
/// The value of each label of the series of all label sets beyond the series limit. It is no value of a label, so that the key of
/// this series is never that of another series.
pub(crate) const SERIES_OVERFLOW: ValueId = ValueId::MAX;
/// The id of the value with index 0.
const FIRST: usize = 2;

impl LabelValues {
    pub(crate) fn new(label: Label) -> Self {
        let values = label.values().unwrap_or_default();
        if !values.is_empty() {
            if let Some(list) = TextList::new(values.iter().map(|value| &**value), FIRST as ValueId)
            {
                return Self { known: Known::List(list), label };
            }
        }
        let table = AppendOnlyTable::bounded(label.max_values());
        let values = Self { known: Known::Table(table, RandomState::default()), label };
        for value in values.label.values().unwrap_or_default() {
            values.id(value);
        }
        values
    }

    pub(crate) fn label(&self) -> &Label {
        &self.label
    }

    pub(crate) fn id(&self, value: &str) -> ValueId {
        let id = match &self.known {
            Known::List(list) => list.number(value),
            // It fits: a label keeps at most 1000 values, and their table has at most 2048 slots.
            Known::Table(table, hasher) => {
                self.index_in(table, hasher, value).map(|index| (index + FIRST) as ValueId)
            }
        };
        id.unwrap_or(OVERFLOW)
    }

    /// As [`id`](Self::id), for a short value of a label with a short list. `None` if the value or the list is not short.
    #[inline]
    pub(crate) fn id_in_short_list(&self, value: &str) -> Option<ValueId> {
        match &self.known {
            Known::List(list) if TextList::is_short(value) => {
                Some(list.number_of_short(value).unwrap_or(OVERFLOW))
            }
            Known::List(_) | Known::Table(..) => None,
        }
    }

    fn index_in(
        &self,
        table: &AppendOnlyTable<Box<str>>,
        hasher: &RandomState,
        value: &str,
    ) -> Option<usize> {
        if value.len() > self.label.max_bytes() {
            return None;
        }
        // `Hash` is not used, because for a string it also hashes a separator byte.
        let mut hasher = hasher.build_hasher();
        hasher.write(value.as_bytes());
        let hash = hasher.finish();
        let limit = self.label.max_values();
        Some(table.get_or_add(limit, hash, |known| **known == *value, || value.into())?.0)
    }

    /// The text of a value; `None` if the series does not have the label.
    pub(crate) fn value(&self, id: ValueId) -> Option<&str> {
        match id {
            MISSING => self.label.default_value(),
            OVERFLOW | SERIES_OVERFLOW => Some(self.label.overflow_value()),
            id => {
                let index = usize::from(id) - FIRST;
                match &self.known {
                    Known::List(list) => list.get(index),
                    Known::Table(table, _) => table.get(index).map(|value| &**value),
                }
            }
        }
    }
}

/// The ids of all label values of one span or event. A capture slot is the index of a captured field in its plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ValueIds(pub(crate) [u64; VALUE_ID_WORDS]);

impl ValueIds {
    #[inline]
    pub(crate) fn get(&self, slot: usize) -> ValueId {
        // A word has four ids; the cast keeps one of them.
        (self.0[slot / 4] >> (slot % 4 * 16)) as ValueId
    }

    #[inline]
    pub(crate) fn set(&mut self, slot: usize, id: ValueId) {
        // There is such a word: this was checked when the layer was built. Without `[]` there is no code for a panic.
        let Some(word) = self.0.get_mut(slot / 4) else {
            return;
        };
        let shift = (slot % 4 * 16) as u32;
        *word = (word.rotate_right(shift) & !0xFFFF | u64::from(id)).rotate_left(shift);
    }
}

pub(crate) const VALUE_ID_WORDS: usize = 3;
/// The number of capture slots: how many fields of one span or event can be captured.
pub(crate) const MAX_CAPTURES: usize = VALUE_ID_WORDS * 4;

#[cfg(test)]
mod tests {
    use super::*;

    // Trap 10
    #[test]
    fn the_first_values_are_kept_and_all_later_ones_become_the_overflow_value() {
        let values = LabelValues::new(Label::field("user").with_max_values(3));
        let ids = ["a", "b", "", "d", "e", "a", "b", ""].map(|value| values.id(value));
        assert_eq!(ids[3..5], [OVERFLOW, OVERFLOW]);
        assert_eq!(ids[..3], ids[5..]);
        let texts: Vec<_> = ids[..5].iter().map(|id| values.value(*id)).collect();
        assert_eq!(texts, ["a", "b", "", "other", "other"].map(Some));
        assert_eq!(values.value(MISSING), None);
    }

    #[test]
    fn a_list_accepts_only_its_values_and_a_table_no_value_that_is_too_long() {
        let label = Label::field("op").with_values(["get", "put"]).with_default("none");
        let values = LabelValues::new(label);
        assert_eq!(values.value(values.id("put")), Some("put"));
        assert_eq!(values.id("delete"), OVERFLOW);
        assert_eq!(values.value(MISSING), Some("none"));
        let values = LabelValues::new(Label::field("op").with_max_bytes(2));
        assert_eq!(values.id("abc"), OVERFLOW);
        assert_ne!(values.id("ab"), OVERFLOW);
    }

    #[test]
    fn each_slot_keeps_its_id() {
        let mut ids = ValueIds::default();
        for slot in 0..MAX_CAPTURES {
            ids.set(slot, 7);
            ids.set(slot, u16::MAX - slot as u16);
        }
        for slot in 0..MAX_CAPTURES {
            assert_eq!(ids.get(slot), u16::MAX - slot as u16);
        }
    }
}
