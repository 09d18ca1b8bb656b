//! The exemplars of the series of one instrument, with what a scrape needs to find their points.
//!
//! The SDK does not say which point has counted a measurement: a view may have removed attributes of it, and the SDK counts
//! series beyond its limit in one point.

use crate::exemplars::{
    Exemplar, Recorded,
    reservoir::{Buckets, Reservoir},
    sync::{Arc, Mutex, lock},
};
use opentelemetry::{Key, KeyValue};
use std::{
    collections::HashSet,
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

/// The exemplars of one series.
#[derive(Debug)]
pub(crate) struct SeriesExemplars {
    reservoir: Reservoir<Exemplar<Instant>>,
    /// The key and the hash of each attribute. `None` if a key is there twice: the SDK does not say which value it takes.
    attributes: Option<Box<[(Key, u64)]>>,
    /// A [`Seen`].
    seen: AtomicU8,
}

/// What the scrapes have seen of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing yet.
    Nothing,
    /// It had exemplars, and no point had its attributes.
    Missing,
    /// A point had its attributes.
    Point,
}

/// Records the exemplars of one series, whose values have to be finite.
#[derive(Debug)]
pub(crate) enum SeriesRecorder {
    Own(Arc<SeriesExemplars>),
    /// Beyond the limit. The number is the hash of the attributes.
    Shared(Arc<SharedExemplars>, u64),
}

/// The exemplars of the series beyond the limit of series that have their own.
#[derive(Debug)]
pub(crate) struct SharedExemplars {
    reservoir: Reservoir<SharedExemplar>,
    created: Instant,
    /// The keys of the attributes of all these series. `None` if there are too many, or if a key was there twice.
    keys: Mutex<Option<HashSet<Key>>>,
}

/// An exemplar with the hash of the attributes of its series.
#[derive(Clone, Copy, Debug)]
struct SharedExemplar {
    exemplar: Exemplar<SinceCreation>,
    series: u64,
}

/// A moment in nanoseconds after [`SharedExemplars`] were created. An [`Instant`] needs 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SinceCreation(u64);

impl SeriesExemplars {
    pub(crate) fn new<'a>(
        attributes: &'a [KeyValue],
        hash: impl Fn(&'a KeyValue) -> u64,
        buckets: Arc<Buckets>,
    ) -> Self {
        let hashed = || attributes.iter().map(|it| (it.key.clone(), hash(it))).collect();
        Self {
            reservoir: Reservoir::new(buckets),
            attributes: has_each_key_once(attributes).then(hashed),
            seen: AtomicU8::new(Seen::Nothing as u8),
        }
    }

    /// The key and the hash of each attribute. `None` if a key is there twice.
    pub(crate) fn attributes(&self) -> Option<&[(Key, u64)]> {
        self.attributes.as_deref()
    }

    /// Sets what this scrape sees, and returns what earlier ones have seen. Once a point had its attributes, there is always
    /// one.
    pub(crate) fn see(&self, seen: Seen) -> Seen {
        let earlier = self.seen();
        if earlier != Seen::Point {
            self.seen.store(seen as u8, Ordering::Relaxed);
        }
        earlier
    }

    fn seen(&self) -> Seen {
        const NOTHING: u8 = Seen::Nothing as u8;
        const MISSING: u8 = Seen::Missing as u8;
        match self.seen.load(Ordering::Relaxed) {
            NOTHING => Seen::Nothing,
            MISSING => Seen::Missing,
            _ => Seen::Point,
        }
    }

    pub(crate) fn set_buckets(&self, buckets: &Arc<Buckets>) {
        self.reservoir.set_buckets(buckets);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.reservoir.is_empty()
    }

    pub(crate) fn for_each(&self, read: impl FnMut(&Exemplar<Instant>)) {
        self.reservoir.for_each(read);
    }
}

impl SeriesRecorder {
    pub(crate) fn record(&self, exemplar: Exemplar<Instant>) {
        self.record_with(exemplar.value, exemplar.time, || exemplar);
    }

    /// See [`Reservoir::record_with`].
    #[inline(always)]
    pub(crate) fn record_with(
        &self,
        value: f64,
        time: Instant,
        new: impl FnOnce() -> Exemplar<Instant>,
    ) {
        match self {
            Self::Own(series) => series.reservoir.record_with(value, time, new),
            Self::Shared(all, series) => {
                all.record(new(), *series);
            }
        }
    }
}

impl SharedExemplars {
    pub(crate) fn new(buckets: Arc<Buckets>) -> Self {
        let keys = Mutex::new(Some(HashSet::new()));
        Self { reservoir: Reservoir::new(buckets), created: Instant::now(), keys }
    }

    #[inline(never)]
    fn record(&self, exemplar: Exemplar<Instant>, series: u64) {
        let exemplar = exemplar.with_time(|moment| {
            let since = moment.saturating_duration_since(self.created);
            SinceCreation(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
        });
        self.reservoir.record(SharedExemplar { exemplar, series });
    }

    /// One of the series has these attributes.
    pub(crate) fn add_keys(&self, attributes: &[KeyValue]) {
        let mut all = lock(&self.keys);
        let Some(keys) = &mut *all else { return };
        for KeyValue { key, .. } in attributes {
            if !keys.contains(key) {
                keys.insert(key.clone());
            }
        }
        if keys.len() > MAX_KEYS || !has_each_key_once(attributes) {
            *all = None;
        }
    }

    /// Whether the attributes of all these series have only such keys.
    pub(crate) fn have_only(&self, is_known: impl Fn(&Key) -> bool) -> bool {
        lock(&self.keys).as_ref().is_some_and(|keys| keys.iter().all(is_known))
    }

    pub(crate) fn set_buckets(&self, buckets: &Arc<Buckets>) {
        self.reservoir.set_buckets(buckets);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.reservoir.is_empty()
    }

    /// Passes the exemplars to `read`, each with the hash of the attributes of its series.
    pub(crate) fn for_each(&self, mut read: impl FnMut(Exemplar<Instant>, u64)) {
        let moment = |SinceCreation(since)| {
            self.created.checked_add(Duration::from_nanos(since)).unwrap_or(self.created)
        };
        self.reservoir.for_each(|SharedExemplar { exemplar, series }| {
            read(exemplar.with_time(moment), *series);
        });
    }
}

impl Recorded for SharedExemplar {
    type Time = SinceCreation;

    fn value(&self) -> f64 {
        self.exemplar.value
    }

    fn time(&self) -> SinceCreation {
        self.exemplar.time
    }
}

fn has_each_key_once(attributes: &[KeyValue]) -> bool {
    if attributes.len() > FEW {
        let mut keys = HashSet::with_capacity(attributes.len());
        return attributes.iter().all(|attribute| keys.insert(&attribute.key));
    }
    let is_new = |(at, attribute): (usize, &KeyValue)| {
        attributes[..at].iter().all(|earlier| earlier.key != attribute.key)
    };
    attributes.iter().enumerate().all(is_new)
}

/// How many different keys the series beyond the limit can have.
const MAX_KEYS: usize = 100;
/// So many keys are compared faster than they are hashed.
const FEW: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exemplars::SpanIds;

    //
    #[test]
    fn a_key_that_is_there_twice_is_found_among_few_and_many() {
        let attributes = |count: i64| -> Vec<_> {
            (0..count).map(|at| KeyValue::new(format!("key {at}"), at)).collect()
        };
        for count in [0, 1, 5, 16, 17, 50] {
            let mut attributes = attributes(count);
            assert!(has_each_key_once(&attributes), "{count}");
            attributes.extend(attributes.first().cloned());
            assert_eq!(has_each_key_once(&attributes), count == 0, "{count}");
        }
    }

    //
    #[test]
    fn an_exemplar_of_the_series_beyond_the_limit_needs_at_most_64_bytes() {
        // With the boundaries of its bucket.
        assert!(size_of::<([f64; 2], SharedExemplar)>() <= 64);
    }

    //
    #[test]
    fn an_exemplar_of_the_series_beyond_the_limit_keeps_its_time() {
        let shared = SharedExemplars::new(Arc::new(Buckets::One));
        let early = Duration::from_secs(1);
        // Times before the creation become that of the creation.
        for (time, kept) in [
            (shared.created - early, shared.created),
            (shared.created + early, shared.created + early),
            (shared.created, shared.created + early),
        ] {
            shared.record(Exemplar { value: 1.0, time, span: SpanIds::NONE }, 7);
            let mut read = Vec::new();
            shared.for_each(|exemplar, series| read.push((exemplar.time, series)));
            assert_eq!(read, [(kept, 7)]);
        }
    }

    //
    #[test]
    fn the_keys_of_the_series_beyond_the_limit_are_bounded() {
        let shared = SharedExemplars::new(Arc::new(Buckets::One));
        let add = |at: usize| shared.add_keys(&[KeyValue::new(format!("key {at}"), 1)]);
        (0..MAX_KEYS).for_each(|at| (0..2).for_each(|_| add(at)));
        assert!(shared.have_only(|key| key.as_str().starts_with("key ")));
        assert!(!shared.have_only(|key| key.as_str() != "key 7"));
        add(MAX_KEYS);
        assert!(!shared.have_only(|_| true));
        assert!(lock(&shared.keys).is_none());
    }
}
