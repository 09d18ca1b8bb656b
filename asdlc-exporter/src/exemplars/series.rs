//! The exemplars of the series of one instrument, with what a scrape needs to find their points.
//!
//! The SDK does not say which point has counted a measurement: a view may have removed attributes of it, and the SDK counts
//! series beyond its limit in one point.

use crate::exemplars::{
    Exemplar, Moment, SpanIds,
    buckets::Buckets,
    filter::ExemplarFilter,
    reservoir::Reservoir,
    span::ExemplarSink,
    sync::{Arc, Mutex, lock},
};
use opentelemetry::{Key, KeyValue, SpanId};
use std::{
    collections::HashSet,
    sync::atomic::{AtomicU8, Ordering},
};

/// The exemplars of one series.
#[derive(Debug)]
pub(crate) struct SeriesExemplars {
    reservoir: Reservoir,
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
#[derive(Clone, Debug)]
pub(crate) enum SeriesRecorder {
    Own(Arc<SeriesExemplars>),
    /// Beyond the limit. The number is the hash of the attributes.
    Shared(Arc<SharedExemplars>, u64),
}

/// The exemplars of the series beyond the limit of series that have their own.
#[derive(Debug)]
pub(crate) struct SharedExemplars {
    /// Each exemplar has the hash of the attributes of its series.
    reservoir: Reservoir<1>,
    /// The keys of the attributes of all these series. `None` if there are too many, or if a key was there twice.
    keys: Mutex<Option<HashSet<Key>>>,
}

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

    pub(crate) fn is_empty(&self) -> bool {
        self.reservoir.is_empty()
    }

    /// See [`Reservoir::for_each`].
    pub(crate) fn for_each(&self, mut read: impl FnMut(Exemplar<Moment>)) {
        self.reservoir.for_each(|exemplar, []| read(exemplar));
    }
}

impl SeriesRecorder {
    /// See [`Reservoir::record`].
    #[inline(always)]
    pub(crate) fn record(&self, measured: (f64, Moment), span: impl FnOnce() -> SpanIds) {
        match self {
            Self::Own(series) => series.reservoir.record(measured, span, []),
            Self::Shared(all, series) => all.record(measured, span(), *series),
        }
    }

    /// Returns a function that records exemplars of this series, in the span whose ids it gets. Ids of 0 mean: in no span. It
    /// ignores a value that is not finite, because the SDK does not count such a value.
    pub(crate) fn into_sink(self, filter: ExemplarFilter) -> ExemplarSink {
        Arc::new(move |value, trace, span, moment| {
            let is_eligible = span != SpanId::INVALID || filter == ExemplarFilter::AlwaysOn;
            if is_eligible && value.is_finite() {
                self.record((value, Moment::of(moment)), || {
                    SpanIds::new(trace.to_bytes(), span.to_bytes())
                });
            }
        })
    }
}

impl SharedExemplars {
    pub(crate) fn new(buckets: Arc<Buckets>) -> Self {
        let keys = Mutex::new(Some(HashSet::new()));
        Self { reservoir: Reservoir::new(buckets), keys }
    }

    #[inline(never)]
    fn record(&self, measured: (f64, Moment), span: SpanIds, series: u64) {
        self.reservoir.record(measured, || span, [series]);
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

    pub(crate) fn is_empty(&self) -> bool {
        self.reservoir.is_empty()
    }

    /// Passes the exemplars to `read`, each with the hash of the attributes of its series.
    pub(crate) fn for_each(&self, mut read: impl FnMut(Exemplar<Moment>, u64)) {
        self.reservoir.for_each(|exemplar, [series]| read(exemplar, series));
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
    use crate::exemplars::buckets::InitialBuckets;

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
    fn an_exemplar_of_the_series_beyond_the_limit_has_its_series() {
        let shared = SharedExemplars::new(Arc::new(Buckets::new(InitialBuckets::PowersOfTwo)));
        for (value, series) in [(1.0, 7), (2.0, u64::MAX), (4.0, 0), (3.5, 9)] {
            shared.record((value, Moment(value as u64)), SpanIds::NONE, series);
        }
        let mut read = Vec::new();
        shared.for_each(|exemplar, series| read.push((exemplar.value, exemplar.time, series)));
        assert_eq!(read, [(1.0, Moment(1), 7), (2.0, Moment(2), u64::MAX), (4.0, Moment(4), 0)]);
    }

    //
    #[test]
    fn the_keys_of_the_series_beyond_the_limit_are_bounded() {
        let shared = SharedExemplars::new(Arc::new(Buckets::new(InitialBuckets::One)));
        let add = |at: usize| shared.add_keys(&[KeyValue::new(format!("key {at}"), 1)]);
        (0..MAX_KEYS).for_each(|at| (0..2).for_each(|_| add(at)));
        assert!(shared.have_only(|key| key.as_str().starts_with("key ")));
        assert!(!shared.have_only(|key| key.as_str() != "key 7"));
        add(MAX_KEYS);
        assert!(!shared.have_only(|_| true));
        assert!(lock(&shared.keys).is_none());
    }
}
