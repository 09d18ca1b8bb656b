//! The series of one rule, by the values of its labels.

use crate::record::label_values::{Ids, MISSING, OTHER, ValueId, Values};
use crate::record::table::Table;
use opentelemetry::KeyValue;
use std::sync::Arc;

/// What a rule records into: one `S` for each set of values that its labels have had, up to a cap, and one for all others.
#[derive(Debug)]
pub(crate) struct Labelled<S> {
    labels: Vec<Arc<Values>>,
    table: Table<Entry<S>>,
    cap: usize,
}

#[derive(Debug)]
struct Entry<S> {
    key: Key,
    series: S,
}

/// Where a rule's labels find their values at a callsite.
#[derive(Clone, Debug)]
pub(crate) enum Places {
    /// In the first captures, in order, as is usual: then a key is the bits that this keeps of their numbers.
    First(u128),
    /// In the capture of this number, by label; a label whose field the callsite lacks has none.
    Any(Box<[Option<u8>]>),
}

impl FromIterator<Option<u8>> for Places {
    fn from_iter<I: IntoIterator<Item = Option<u8>>>(places: I) -> Self {
        let places: Box<[_]> = places.into_iter().collect();
        if places.iter().zip(0..).all(|(place, label)| *place == Some(label)) {
            // There are eight at most.
            let others = u128::BITS.saturating_sub(16 * places.len() as u32);
            Self::First(u128::MAX.checked_shr(others).unwrap_or(0))
        } else {
            Self::Any(places)
        }
    }
}

/// The numbers of the labels' values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key(u128);

impl Key {
    #[inline]
    pub(crate) fn new(ids: &Ids, places: &Places) -> Self {
        match places {
            Places::First(mask) => {
                let Ids([low, high, ..]) = *ids;
                Self((u128::from(low) | u128::from(high) << 64) & mask)
            }
            Places::Any(places) => Self::of_any(ids, places),
        }
    }

    #[inline(never)]
    fn of_any(ids: &Ids, places: &[Option<u8>]) -> Self {
        places.iter().rev().fold(Self(0), |key, place| {
            key.push(place.map_or(MISSING, |place| ids.get(usize::from(place))))
        })
    }

    #[inline]
    fn push(self, id: ValueId) -> Self {
        Self(self.0 << 16 | u128::from(id))
    }

    /// It needs no secret: whoever chooses values does not know their numbers.
    #[inline]
    fn hash(self) -> u64 {
        // Both halves of the product: in the lower one a number moves no bit below its own.
        let fold = |half: u64| {
            let product = u128::from(half) * 0x9E37_79B9_7F4A_7C15;
            product as u64 ^ (product >> 64) as u64
        };
        fold(self.0 as u64 ^ fold((self.0 >> 64) as u64))
    }

    fn id(self, label: usize) -> ValueId {
        // Truncation is wanted: it is one of eight.
        (self.0 >> (label * 16)) as ValueId
    }
}

impl<S: Default> Labelled<S> {
    /// At most `cap` sets of values are told apart.
    pub(crate) fn new(labels: Vec<Arc<Values>>, cap: usize) -> Self {
        // Each label may also be `other` or missing.
        let all = labels.iter().map(|values| values.label().cap() + 2);
        let all = all.fold(1_usize, usize::saturating_mul);
        Self { table: Table::with_capacity(cap.min(all) + 1), labels, cap }
    }

    pub(crate) fn cap(&self) -> usize {
        self.cap
    }

    /// The series of these values, and its place for [`get`](Self::get).
    #[inline]
    pub(crate) fn series(&self, key: Key) -> Option<(usize, Key, &S)> {
        let (place, entry) = self.find(self.cap, key).or_else(|| self.overflow())?;
        Some((place, entry.key, &entry.series))
    }

    pub(crate) fn get(&self, place: usize) -> Option<&S> {
        self.table.get(place).map(|entry| &entry.series)
    }

    pub(crate) fn attributes(&self, key: Key) -> Vec<KeyValue> {
        self.labels
            .iter()
            .enumerate()
            .filter_map(|(label, values)| {
                let value = values.value(key.id(label))?.to_owned();
                Some(KeyValue::new(values.label().name().to_owned(), value))
            })
            .collect()
    }

    #[cold]
    fn overflow(&self) -> Option<(usize, &Entry<S>)> {
        let key = self.labels.iter().fold(Key(0), |key, _| key.push(OTHER));
        self.find(self.cap + 1, key)
    }

    #[inline]
    fn find(&self, cap: usize, key: Key) -> Option<(usize, &Entry<S>)> {
        let make = || Entry { key, series: S::default() };
        self.table.get_or_add(cap, key.hash(), |entry| entry.key == key, make)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::label::Label;
    use std::cell::Cell;

    //
    #[test]
    fn past_the_cap_every_label_is_other() {
        let values = |field| Arc::new(Values::new(Label::field(field)));
        let labelled = Labelled::<Cell<u32>>::new(vec![values("a"), values("b")], 2);
        let key = |a, b| {
            let mut ids = Ids::default();
            ids.set(3, labelled.labels[0].id(a));
            ids.set(0, labelled.labels[1].id(b));
            Key::new(&ids, &Places::from_iter([Some(3), Some(0)]))
        };
        let attributes = |a, b| {
            let (_, key, count) = labelled.series(key(a, b)).unwrap();
            count.set(count.get() + 1);
            let attributes = labelled.attributes(key);
            let pairs = attributes.iter().map(|pair| format!("{}={}", pair.key, pair.value));
            (pairs.collect::<Vec<_>>(), count.get())
        };
        assert_eq!(attributes("1", "2"), (vec!["a=1".to_owned(), "b=2".into()], 1));
        assert_eq!(attributes("2", "1"), (vec!["a=2".to_owned(), "b=1".into()], 1));
        assert_eq!(attributes("1", "1"), (vec!["a=other".to_owned(), "b=other".into()], 1));
        assert_eq!(attributes("3", "3"), (vec!["a=other".to_owned(), "b=other".into()], 2));
        assert_eq!(attributes("1", "2").1, 2, "what is known stays");
    }

    /// As the table sees them: by their low bits.
    #[test]
    fn keys_that_differ_in_one_label_or_in_two_are_spread() {
        let spread = |keys: &[Key]| {
            let mut homes: Vec<_> = keys.iter().map(|key| key.hash() % 4_096).collect();
            homes.sort_unstable();
            homes.dedup();
            homes.len()
        };
        for label in 0..8 {
            let keys: Vec<_> = (0..1_000_u128).map(|id| Key(id << (label * 16))).collect();
            assert!(spread(&keys) > 700, "label {label}: {}", spread(&keys));
            for other in 0..label {
                let pair =
                    |id: u128| Key(((id % 32) << (label * 16)) | ((id / 32) << (other * 16)));
                let keys: Vec<_> = (0..1_000).map(pair).collect();
                assert!(spread(&keys) > 700, "labels {label}, {other}: {}", spread(&keys));
            }
        }
    }

    #[test]
    fn a_key_is_the_same_however_its_values_are_found() {
        let mut ids = Ids::default();
        (0..12).for_each(|place| ids.set(place, 1_001 + 2 * place as ValueId));
        for labels in 0..=8 {
            let places = Places::from_iter((0..labels).map(Some));
            assert!(matches!(places, Places::First(_)), "{labels}");
            let any: Vec<_> = (0..labels).map(Some).collect();
            assert_eq!(Key::new(&ids, &places), Key::of_any(&ids, &any), "{labels}");
        }
        assert!(matches!(Places::from_iter([Some(1), Some(0)]), Places::Any(_)));
        assert!(matches!(Places::from_iter([Some(0), None]), Places::Any(_)));
    }

    // Trap 9
    #[test]
    fn a_missing_label_is_no_empty_one() {
        let values = Arc::new(Values::new(Label::field("a")));
        let labelled = Labelled::<()>::new(vec![Arc::clone(&values), values], 10);
        let mut ids = Ids::default();
        ids.set(0, labelled.labels[0].id(""));
        let key = Key::new(&ids, &Places::from_iter([Some(0), None]));
        assert_eq!(labelled.attributes(key), [KeyValue::new("a", "")]);
        assert_ne!(key, Key::new(&ids, &Places::from_iter([None, Some(0)])));
    }
}
