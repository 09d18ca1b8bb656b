//! The exemplars of all instruments of one reader.

use crate::exemplars::{
    Moment, SpanIds,
    buckets::{Buckets, InitialBuckets},
    clocks::Clocks,
    filter::ExemplarFilter,
    series::{SeriesExemplars, SeriesRecorder, SharedExemplars},
    span::{self, ExemplarSink},
    sync::{Arc, Mutex, lock},
};
use foldhash::quality::RandomState;
use opentelemetry::{InstrumentationScope, KeyValue};
use std::{
    collections::HashMap,
    hash::BuildHasher as _,
    sync::{PoisonError, RwLock, RwLockReadGuard},
    time::{Duration, Instant},
};

/// The exemplars of all instruments of one reader, by scope and name.
#[derive(Debug)]
pub(crate) struct ExemplarStore {
    filter: ExemplarFilter,
    max_age: Duration,
    instruments: Mutex<HashMap<InstrumentationScope, ByName>>,
    clocks: Mutex<Clocks>,
}

/// Instruments by their names in lower case: for the SDK, names that differ only in case are one.
type ByName = HashMap<String, Arc<InstrumentExemplars>>;

type SeriesByHash = HashMap<u64, Arc<SeriesExemplars>, RandomState>;

/// The exemplars of one instrument.
#[derive(Debug)]
pub(crate) struct InstrumentExemplars {
    filter: ExemplarFilter,
    buckets: Arc<Buckets>,
    /// By the hash of their attributes. Two series with the same hash share their exemplars: with 2 000 series, the
    /// probability is 10^-13.
    series: RwLock<SeriesByHash>,
    /// Of the series beyond the limit.
    shared: Arc<SharedExemplars>,
    hasher: RandomState,
}

impl ExemplarStore {
    pub(crate) fn new(filter: ExemplarFilter, max_age: Duration) -> Self {
        Moment::start();
        Self { filter, max_age, instruments: Mutex::default(), clocks: Mutex::new(Clocks::new()) }
    }

    /// Whether no meter that records here has created a counter or a histogram.
    pub(crate) fn is_unused(&self) -> bool {
        lock(&self.instruments).is_empty()
    }

    /// Older exemplars are not served.
    pub(crate) fn max_age(&self) -> Duration {
        self.max_age
    }

    /// The clocks for a scrape that begins now.
    pub(crate) fn compare_clocks(&self) -> Clocks {
        let mut clocks = lock(&self.clocks);
        clocks.compare();
        clocks.clone()
    }

    /// A scrape with these exemplars has ended.
    pub(crate) fn end_scrape(&self) {
        lock(&self.clocks).end_scrape(Instant::now());
    }

    /// The exemplars of an instrument that is created now.
    pub(crate) fn instrument(
        &self,
        scope: &InstrumentationScope,
        name: &str,
        buckets: InitialBuckets,
    ) -> Arc<InstrumentExemplars> {
        span::answer(self.filter);
        let mut instruments = lock(&self.instruments);
        let instruments = instruments.entry(scope.clone()).or_default();
        let exemplars = instruments.entry(name.to_ascii_lowercase());
        Arc::clone(exemplars.or_insert_with(|| {
            let buckets = Arc::new(Buckets::new(buckets));
            Arc::new(InstrumentExemplars {
                filter: self.filter,
                series: RwLock::default(),
                shared: Arc::new(SharedExemplars::new(Arc::clone(&buckets))),
                buckets,
                hasher: RandomState::default(),
            })
        }))
    }

    /// The exemplars of the instrument with this scope and name.
    pub(crate) fn find(
        &self,
        scope: &InstrumentationScope,
        name: &str,
    ) -> Option<Arc<InstrumentExemplars>> {
        let instruments = lock(&self.instruments);
        let instruments = instruments.get(scope)?;
        let found = instruments.get(name);
        found.or_else(|| instruments.get(&name.to_ascii_lowercase())).cloned()
    }
}

impl InstrumentExemplars {
    /// Where the exemplars of the series with these attributes are recorded. The attributes may be in any order.
    pub(crate) fn series(&self, attributes: &[KeyValue]) -> SeriesRecorder {
        let hash = self.hash(attributes);
        if let Some(series) = self.read().get(&hash) {
            return SeriesRecorder::Own(Arc::clone(series));
        }
        let mut all = self.series.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_SERIES && !all.contains_key(&hash) {
            self.shared.add_keys(attributes);
            return SeriesRecorder::Shared(Arc::clone(&self.shared), hash);
        }
        let series = all.entry(hash).or_insert_with(|| {
            let hash = |attribute| self.hasher.hash_one(attribute);
            Arc::new(SeriesExemplars::new(attributes, hash, Arc::clone(&self.buckets)))
        });
        SeriesRecorder::Own(Arc::clone(series))
    }

    /// The span and the moment of a measurement that is made now, if it can become an exemplar. The SDK does not count a value
    /// that is not finite.
    pub(crate) fn current(&self, value: f64) -> Option<(SpanIds, Moment)> {
        span::current(self.filter).filter(|_| value.is_finite())
    }

    /// Records exemplars of this series in the span that it is given.
    pub(crate) fn sink(&self, series: SeriesRecorder) -> ExemplarSink {
        series.into_sink(self.filter)
    }

    /// Which values share an exemplar, in all series.
    pub(crate) fn buckets(&self) -> &Buckets {
        &self.buckets
    }

    /// The hash of attributes, whatever their order.
    pub(crate) fn hash<'a>(&self, attributes: impl IntoIterator<Item = &'a KeyValue>) -> u64 {
        let hashes = attributes.into_iter().map(|attribute| self.hasher.hash_one(attribute));
        hashes.fold(0, u64::wrapping_add)
    }

    /// Passes each series that has exemplars of its own to `read`, with the hash of its attributes.
    pub(crate) fn for_each_series(&self, mut read: impl FnMut(u64, &SeriesExemplars)) {
        self.read().iter().for_each(|(hash, series)| read(*hash, series));
    }

    /// The exemplars of the other series.
    pub(crate) fn shared(&self) -> &SharedExemplars {
        &self.shared
    }

    fn read(&self) -> RwLockReadGuard<'_, SeriesByHash> {
        self.series.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many series of one instrument have exemplars of their own: as many as the SDK has series by default.
const MAX_SERIES: usize = 2_000;
