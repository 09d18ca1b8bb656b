//! The series of one rule's metrics, found by the values of its labels.

use crate::record::append_only_table::AppendOnlyTable;
use crate::record::label_values::{LabelValues, MISSING, SERIES_OVERFLOW, ValueId, ValueIds};
use opentelemetry::KeyValue;
use std::sync::Arc;

/// One `S` for each label set, up to a limit, and one `S` for all further label sets.
#[derive(Debug)]
pub(crate) struct SeriesTable<S> {
    labels: Vec<Arc<LabelValues>>,
    table: AppendOnlyTable<Box<Entry<S>>>,
    limit: usize,
}

#[derive(Debug)]
struct Entry<S> {
    key: SeriesKey,
    series: S,
}

/// The capture slots in which a rule's labels have their values, at one callsite.
#[derive(Clone, Debug)]
pub(crate) enum LabelSlots {
    /// The labels have the first slots, in order. This is the usual case: the key of a series is then the value ids under this mask.
    First(u128),
    /// The slot of each label; `None` if the callsite does not have the label's field.
    Any(Box<[Option<u8>]>),
}

impl FromIterator<Option<u8>> for LabelSlots {
    fn from_iter<I: IntoIterator<Item = Option<u8>>>(slots: I) -> Self {
        let slots: Box<[_]> = slots.into_iter().collect();
        if slots.iter().zip(0..).all(|(slot, label)| *slot == Some(label)) {
            // A rule has at most eight labels.
            let others = u128::BITS.saturating_sub(16 * slots.len() as u32);
            Self::First(u128::MAX.checked_shr(others).unwrap_or(0))
        } else {
            Self::Any(slots)
        }
    }
}

/// A label set: the value id of each label.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SeriesKey(u128);

/// Compares the halves, which are in registers. The derived code compares them in memory.
impl PartialEq for SeriesKey {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let difference = self.0 ^ other.0;
        (difference as u64 | (difference >> 64) as u64) == 0
    }
}

impl Eq for SeriesKey {}

impl SeriesKey {
    #[inline]
    pub(crate) fn new(ids: &ValueIds, slots: &LabelSlots) -> Self {
        // A copy, so that the ids are in registers in the usual case, and in memory only in the other one.
        let ValueIds(words) = *ids;
        match slots {
            LabelSlots::First(mask) => {
                let [low, high, ..] = words;
                Self((u128::from(low) | u128::from(high) << 64) & mask)
            }
            LabelSlots::Any(slots) => Self::from_any(&ValueIds(words), slots),
        }
    }

    #[inline(never)]
    fn from_any(ids: &ValueIds, slots: &[Option<u8>]) -> Self {
        slots.iter().rev().fold(Self(0), |key, slot| {
            key.push(slot.map_or(MISSING, |slot| ids.get(usize::from(slot))))
        })
    }

    #[inline]
    fn push(self, id: ValueId) -> Self {
        Self(self.0 << 16 | u128::from(id))
    }

    /// The hash needs no random seed: a client may choose values, but does not know their ids.
    #[inline]
    fn hash(self) -> u64 {
        // Uses both halves of the product, because an id changes no bit of the lower half below its own position.
        let fold = |half: u64| {
            let product = u128::from(half) * 0x9E37_79B9_7F4A_7C15;
            product as u64 ^ (product >> 64) as u64
        };
        fold(self.0 as u64 ^ fold((self.0 >> 64) as u64))
    }

    fn id(self, label: usize) -> ValueId {
        // The key has eight ids; the cast keeps one of them.
        (self.0 >> (label * 16)) as ValueId
    }
}

impl<S: Default> SeriesTable<S> {
    /// A table with at most `limit` series, and the overflow series.
    pub(crate) fn new(labels: Vec<Arc<LabelValues>>, limit: usize) -> Self {
        // Each label may also have the overflow value, or be missing.
        let label_sets = labels
            .iter()
            .map(|values| values.label().max_values() + 2)
            .fold(1_usize, usize::saturating_mul);
        Self { table: AppendOnlyTable::bounded(limit.min(label_sets) + 1), labels, limit }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The series of a label set: its index for [`get`](Self::get), its key, and the series. At the limit, a new label set gets the
    /// overflow series.
    #[inline]
    pub(crate) fn series(&self, key: SeriesKey) -> Option<(usize, SeriesKey, &S)> {
        match self.table.in_home_slot(key.hash()) {
            Some((index, entry)) if entry.key == key => Some((index, key, &entry.series)),
            _ => self.find_or_add(key),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Option<&S> {
        self.table.get(index).map(|entry| &entry.series)
    }

    pub(crate) fn attributes(&self, key: SeriesKey) -> Vec<KeyValue> {
        let is_overflow = !self.labels.is_empty() && key == self.overflow_key();
        self.labels
            .iter()
            .enumerate()
            .filter_map(|(label, values)| {
                let value = values.value(key.id(label))?.to_owned();
                Some(KeyValue::new(values.label().name().to_owned(), value))
            })
            .chain(is_overflow.then(|| KeyValue::new(SDK_OVERFLOW, true)))
            .collect()
    }

    /// In no other slot than its home slot, new, or over the limit.
    #[inline(never)]
    fn find_or_add(&self, key: SeriesKey) -> Option<(usize, SeriesKey, &S)> {
        let or_overflow = || self.get_or_add(self.limit + 1, self.overflow_key());
        let (index, entry) = self.get_or_add(self.limit, key).or_else(or_overflow)?;
        Some((index, entry.key, &entry.series))
    }

    fn overflow_key(&self) -> SeriesKey {
        self.labels.iter().fold(SeriesKey(0), |key, _| key.push(SERIES_OVERFLOW))
    }

    fn get_or_add(&self, limit: usize, key: SeriesKey) -> Option<(usize, &Entry<S>)> {
        let make = || Box::new(Entry { key, series: S::default() });
        let found = self.table.get_or_add(limit, key.hash(), |entry| entry.key == key, make);
        found.map(|(index, entry)| (index, &**entry))
    }
}

/// The attribute that the SDK sets on its own overflow series. With it, a reader recognises the overflow series of every
/// instrument.
const SDK_OVERFLOW: &str = "otel.metric.overflow";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::label::Label;
    use std::cell::Cell;

    //
    #[test]
    fn past_the_limit_every_label_has_the_overflow_value() {
        let values = |field| Arc::new(LabelValues::new(Label::field(field)));
        let series = SeriesTable::<Cell<u32>>::new(vec![values("a"), values("b")], 2);
        let key = |a, b| {
            let mut ids = ValueIds::default();
            ids.set(3, series.labels[0].id(a));
            ids.set(0, series.labels[1].id(b));
            SeriesKey::new(&ids, &LabelSlots::from_iter([Some(3), Some(0)]))
        };
        let attributes = |a, b| {
            let (_, key, count) = series.series(key(a, b)).unwrap();
            count.set(count.get() + 1);
            let attributes = series.attributes(key);
            let pairs = attributes.iter().map(|pair| format!("{}={}", pair.key, pair.value));
            (pairs.collect::<Vec<_>>(), count.get())
        };
        assert_eq!(attributes("1", "2"), (vec!["a=1".to_owned(), "b=2".into()], 1));
        assert_eq!(attributes("2", "1"), (vec!["a=2".to_owned(), "b=1".into()], 1));
        let overflow =
            || vec!["a=other".into(), "b=other".into(), "otel.metric.overflow=true".to_owned()];
        assert_eq!(attributes("1", "1"), (overflow(), 1));
        assert_eq!(attributes("3", "3"), (overflow(), 2));
        assert_eq!(attributes("1", "2").1, 2, "a known label set stays");
    }

    /// The table uses the low bits of a hash.
    #[test]
    fn keys_that_differ_in_one_label_or_in_two_are_spread() {
        let spread = |keys: &[SeriesKey]| {
            let mut homes: Vec<_> = keys.iter().map(|key| key.hash() % 4_096).collect();
            homes.sort_unstable();
            homes.dedup();
            homes.len()
        };
        for label in 0..8 {
            let keys: Vec<_> = (0..1_000_u128).map(|id| SeriesKey(id << (label * 16))).collect();
            assert!(spread(&keys) > 700, "label {label}: {}", spread(&keys));
            for other in 0..label {
                let pair =
                    |id: u128| SeriesKey(((id % 32) << (label * 16)) | ((id / 32) << (other * 16)));
                let keys: Vec<_> = (0..1_000).map(pair).collect();
                assert!(spread(&keys) > 700, "labels {label}, {other}: {}", spread(&keys));
            }
        }
    }

    #[test]
    fn a_key_is_the_same_however_its_values_are_found() {
        let mut ids = ValueIds::default();
        (0..12).for_each(|slot| ids.set(slot, 1_001 + 2 * slot as ValueId));
        for labels in 0..=8 {
            let slots = LabelSlots::from_iter((0..labels).map(Some));
            assert!(matches!(slots, LabelSlots::First(_)), "{labels}");
            let any: Vec<_> = (0..labels).map(Some).collect();
            assert_eq!(SeriesKey::new(&ids, &slots), SeriesKey::from_any(&ids, &any), "{labels}");
        }
        assert!(matches!(LabelSlots::from_iter([Some(1), Some(0)]), LabelSlots::Any(_)));
        assert!(matches!(LabelSlots::from_iter([Some(0), None]), LabelSlots::Any(_)));
    }

    // Trap 9
    #[test]
    fn a_missing_label_is_not_an_empty_one() {
        let values = Arc::new(LabelValues::new(Label::field("a")));
        let series = SeriesTable::<()>::new(vec![Arc::clone(&values), values], 10);
        let mut ids = ValueIds::default();
        ids.set(0, series.labels[0].id(""));
        let key = SeriesKey::new(&ids, &LabelSlots::from_iter([Some(0), None]));
        assert_eq!(series.attributes(key), [KeyValue::new("a", "")]);
        assert_ne!(key, SeriesKey::new(&ids, &LabelSlots::from_iter([None, Some(0)])));
    }
}
