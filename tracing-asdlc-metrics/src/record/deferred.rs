//! Metrics of prefixed fields. Another thread creates the instrument after the first event; until then the values are kept.
//!
//! The SDK cannot create an instrument while it collects, and no event may wait for the end of a collection.

use crate::coverage::Coverage;
use crate::record::exemplars::ExemplarAnswer;
use crate::record::instruments::EventInstruments;
use crate::record::label_values::LabelValues;
use crate::record::metrics::{EventSeries, series_table};
use crate::record::pending_values::PendingValues;
use crate::record::per_instrument::PerInstrument;
use crate::record::recording;
use crate::record::recording_guard::RecordingGuard;
use crate::record::series::{SeriesKey, SeriesTable};
use crate::rule::instrument_name::InstrumentName;
use crate::rule::metric::MetricKind;
use crate::rule::rule::Rule;
use opentelemetry::metrics::Meter;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

/// A metric of a prefixed field. Until its instrument exists, its values are kept.
#[derive(Debug)]
pub(crate) struct DeferredMetrics {
    kind: MetricKind,
    /// As the field has it.
    written: Box<str>,
    /// The name and unit of the instrument.
    instrument: (Box<str>, Box<str>),
    instruments: OnceLock<EventInstruments>,
    series: SeriesTable<EventSeries>,
    pending: Mutex<Pending>,
    creator: Arc<InstrumentCreator>,
}

#[derive(Debug)]
struct Pending {
    values: PendingValues,
    /// Whether the metric is, or was, in the creator's queue.
    is_requested: bool,
}

/// Creates the instruments of one rule for prefixed fields, in the order in which they are requested.
pub(crate) struct InstrumentCreator {
    meter: Meter,
    rule: Rule,
    coverage: Coverage,
    exemplars: ExemplarAnswer,
    queue: Mutex<Queue>,
    spawn: fn(Box<dyn FnOnce() + Send>) -> io::Result<()>,
}

#[derive(Debug, Default)]
struct Queue {
    metrics: VecDeque<Arc<DeferredMetrics>>,
    /// Whether the thread runs. It ends when the queue is empty.
    is_running: bool,
}

impl DeferredMetrics {
    pub(crate) fn new(
        creator: &Arc<InstrumentCreator>,
        kind: MetricKind,
        written: &str,
        InstrumentName { name, unit }: InstrumentName<'_>,
        labels: Vec<Arc<LabelValues>>,
        max_series: usize,
    ) -> Self {
        let values = PendingValues::new(creator.rule.histogram_boundaries());
        Self {
            kind,
            written: written.into(),
            instrument: (name.into(), unit.into()),
            instruments: OnceLock::new(),
            series: series_table(labels, max_series),
            pending: Mutex::new(Pending { values, is_requested: false }),
            creator: Arc::clone(creator),
        }
    }

    /// Whether the instruments exist.
    pub(crate) fn is_created(&self) -> bool {
        self.instruments.get().is_some()
    }

    #[inline]
    pub(crate) fn record(self: &Arc<Self>, key: SeriesKey, numbers: PerInstrument<f64>) {
        match self.instruments.get() {
            Some(instruments) => recording::event(instruments, &self.series, key, numbers),
            None => self.record_later(key, numbers),
        }
    }

    #[cold]
    #[inline(never)]
    fn record_later(self: &Arc<Self>, key: SeriesKey, numbers: PerInstrument<f64>) {
        let series = if numbers.is_empty() { None } else { self.series.series(key) };
        let Some((index, key, _)) = series else {
            return;
        };
        if self.keep(index, key, numbers) {
            return;
        }
        if let Some(instruments) = self.instruments.get() {
            self.record_in(instruments, index, key, numbers);
        }
    }

    /// Keeps the numbers until the instruments exist. Returns `false` if they exist by now.
    fn keep(self: &Arc<Self>, index: usize, key: SeriesKey, numbers: PerInstrument<f64>) -> bool {
        let is_new = {
            let mut pending = lock(&self.pending);
            // The instruments are set under this lock, when no values are left.
            if self.instruments.get().is_some() {
                return false;
            }
            pending.values.add(index, key, numbers);
            !std::mem::replace(&mut pending.is_requested, true)
        };
        if is_new {
            self.creator.coverage.set_pending(&self.written, true);
        }
        self.creator.request(self, is_new);
        true
    }

    /// Creates the instruments, and records the values that were kept.
    fn create(&self) {
        let InstrumentCreator { meter, rule, coverage, exemplars, .. } = &*self.creator;
        let created = catch_unwind(AssertUnwindSafe(|| {
            let (name, unit) = &self.instrument;
            let instrument = InstrumentName { name, unit };
            let create = || EventInstruments::create_prefixed(meter, self.kind, instrument, rule);
            exemplars.ask(create)
        }));
        let instruments = created.unwrap_or_else(|_| {
            coverage.refuse(format!("{:?} is not recorded: the meter panicked", self.written));
            EventInstruments::default()
        });
        loop {
            let values = {
                let mut pending = lock(&self.pending);
                // Sums do not depend on the order of their values, so new values may be recorded at once. The last value of a
                // gauge must win, so new values are kept until all earlier ones are recorded.
                if self.kind != MetricKind::Gauge || pending.values.is_empty() {
                    // Nothing else sets them.
                    let _ = self.instruments.set(instruments.clone());
                }
                pending.values.take()
            };
            for (index, series) in values {
                // A provider that panics loses these values, but no others.
                let record = || {
                    for numbers in series.values() {
                        self.record_in(&instruments, index, series.key, numbers);
                    }
                };
                let _ = catch_unwind(AssertUnwindSafe(|| match exemplars.get() {
                    // These values are not those of the events.
                    Some(exemplars) => exemplars.measure_without(record),
                    None => record(),
                }));
            }
            if self.instruments.get().is_some() {
                break;
            }
        }
        coverage.set_pending(&self.written, false);
    }

    fn record_in(
        &self,
        instruments: &EventInstruments,
        index: usize,
        key: SeriesKey,
        numbers: PerInstrument<f64>,
    ) {
        if let Some(series) = self.series.get(index) {
            recording::event_in(instruments, series, || self.series.attributes(key), numbers);
        }
    }
}

impl InstrumentCreator {
    pub(crate) fn new(
        meter: &Meter,
        rule: &Rule,
        coverage: &Coverage,
        exemplars: &ExemplarAnswer,
    ) -> Arc<Self> {
        Self::with_spawn(meter, rule, coverage, exemplars, |run| {
            thread::Builder::new().name("span-metrics".to_owned()).spawn(run).map(drop)
        })
    }

    fn with_spawn(
        meter: &Meter,
        rule: &Rule,
        coverage: &Coverage,
        exemplars: &ExemplarAnswer,
        spawn: fn(Box<dyn FnOnce() + Send>) -> io::Result<()>,
    ) -> Arc<Self> {
        Arc::new(Self {
            meter: meter.clone(),
            rule: rule.clone(),
            coverage: coverage.clone(),
            exemplars: exemplars.clone(),
            queue: Mutex::default(),
            spawn,
        })
    }

    pub(crate) fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    pub(crate) fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Adds a new metric to the queue, and starts the thread unless it runs. Does not wait for it.
    fn request(self: &Arc<Self>, metrics: &Arc<DeferredMetrics>, is_new: bool) {
        if metrics.instruments.get().is_some() {
            return;
        }
        let start = {
            let mut queue = lock(&self.queue);
            if is_new {
                queue.metrics.push_back(Arc::clone(metrics));
            }
            !std::mem::replace(&mut queue.is_running, true)
        };
        if start {
            let creator = Arc::clone(self);
            match (self.spawn)(Box::new(move || creator.run())) {
                Ok(()) => {}
                // This platform has no threads.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => self.run(),
                // The next event tries again.
                Err(_) => lock(&self.queue).is_running = false,
            }
        }
    }

    /// Creates the instruments of the queue until it is empty.
    fn run(&self) {
        // Until this ends, the layer does not measure the SDK's own events, or what other layers do when they get these events.
        let _guard = RecordingGuard::start();
        loop {
            let metrics = {
                let mut queue = lock(&self.queue);
                let next = queue.metrics.pop_front();
                queue.is_running = next.is_some();
                next
            };
            let Some(metrics) = metrics else {
                return;
            };
            metrics.create();
        }
    }
}

impl fmt::Debug for InstrumentCreator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstrumentCreator").field("rule", &self.rule).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::label_values::ValueIds;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    // F-21, a neighbour
    #[test]
    fn without_a_thread_values_are_kept_and_the_next_event_tries_again() {
        static TRIES: AtomicUsize = AtomicUsize::new(0);
        let metrics = gauge(|run| match TRIES.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Err(io::ErrorKind::WouldBlock.into()),
            _ => thread::Builder::new().spawn(run).map(drop),
        });
        assert!(keep(&metrics, 1.0));
        assert!(keep(&metrics, 2.0));
        assert!(metrics.instruments.get().is_none());
        assert!(keep(&metrics, 3.0));
        let start = Instant::now();
        while metrics.instruments.get().is_none() {
            assert!(start.elapsed() < Duration::from_secs(20), "the thread does not end");
            thread::sleep(Duration::from_millis(1));
        }
        assert!(metrics.instruments.get().is_some());
        assert_eq!(TRIES.load(Ordering::Relaxed), 3);
        assert!(!keep(&metrics, 4.0), "values are recorded from now on");
    }

    #[test]
    fn on_a_platform_without_threads_the_event_creates_its_metric() {
        let metrics = gauge(|_| Err(io::ErrorKind::Unsupported.into()));
        assert!(keep(&metrics, 1.0));
        assert!(metrics.instruments.get().is_some());
    }

    fn gauge(spawn: fn(Box<dyn FnOnce() + Send>) -> io::Result<()>) -> Arc<DeferredMetrics> {
        let meter = opentelemetry::global::meter("test");
        let coverage = Coverage::new([]);
        let (rule, exemplars) = (Rule::prefixed_fields(), ExemplarAnswer::default());
        let creator = InstrumentCreator::with_spawn(&meter, &rule, &coverage, &exemplars, spawn);
        Arc::new({
            let instrument = InstrumentName { name: "load", unit: "" };
            DeferredMetrics::new(&creator, MetricKind::Gauge, "load", instrument, Vec::new(), 10)
        })
    }

    fn keep(metrics: &Arc<DeferredMetrics>, value: f64) -> bool {
        let numbers = PerInstrument { gauge: Some(value), ..PerInstrument::default() };
        let key = SeriesKey::new(&ValueIds::default(), &[].into_iter().collect());
        let (index, key, _) = metrics.series.series(key).expect("the first series");
        metrics.keep(index, key, numbers)
    }
}
