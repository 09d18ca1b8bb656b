//! Instruments that are created while the program runs, on a thread of their own: the SDK can create none while it collects, and
//! nothing that records waits for that.

use crate::coverage::Coverage;
use crate::error::Kind;
use crate::layer::capture::Numbers;
use crate::record::instruments::{EventInstruments, boundaries, prefixed};
use crate::record::metrics::EventMetrics;
use crate::record::pending_values::Held;
use crate::record::recording;
use crate::record::series::Key;
use crate::rule::rule::Rule;
use opentelemetry::metrics::Meter;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Creates the instruments of one rule for prefixed fields, in the order in which they are asked for.
pub(crate) struct Maker {
    meter: Meter,
    rule: Rule,
    coverage: Coverage,
    queue: Mutex<Queue>,
    spawn: fn(Box<dyn FnOnce() + Send>) -> io::Result<()>,
}

#[derive(Debug, Default)]
struct Queue {
    asked: VecDeque<Arc<EventMetrics>>,
    /// Whether there is a thread. It ends when the queue is empty.
    running: bool,
}

/// What a metric has before its instruments are there.
#[derive(Debug)]
pub(crate) struct Waiting {
    maker: Arc<Maker>,
    kind: Kind,
    name: Box<str>,
    values: Mutex<Values>,
}

#[derive(Debug)]
struct Values {
    held: Held,
    /// Whether the maker has been asked.
    asked: bool,
}

impl Maker {
    pub(crate) fn new(meter: &Meter, rule: &Rule, coverage: &Coverage) -> Arc<Self> {
        Self::with_spawn(meter, rule, coverage, |run| {
            thread::Builder::new().name("span-metrics".to_owned()).spawn(run).map(drop)
        })
    }

    fn with_spawn(
        meter: &Meter,
        rule: &Rule,
        coverage: &Coverage,
        spawn: fn(Box<dyn FnOnce() + Send>) -> io::Result<()>,
    ) -> Arc<Self> {
        Arc::new(Self {
            meter: meter.clone(),
            rule: rule.clone(),
            coverage: coverage.clone(),
            queue: Mutex::default(),
            spawn,
        })
    }

    pub(crate) fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Has the metric's instruments created. Does not wait for them: while the SDK collects it creates none.
    fn make(self: &Arc<Self>, metrics: &Arc<EventMetrics>, is_new: bool) {
        if metrics.instruments().is_some() {
            return;
        }
        let start = {
            let mut queue = lock(&self.queue);
            if is_new {
                queue.asked.push_back(Arc::clone(metrics));
            }
            !std::mem::replace(&mut queue.running, true)
        };
        if start {
            let maker = Arc::clone(self);
            match (self.spawn)(Box::new(move || maker.run())) {
                Ok(()) => {}
                // There are no threads here at all.
                Err(error) if error.kind() == io::ErrorKind::Unsupported => self.run(),
                // The next event tries again.
                Err(_) => lock(&self.queue).running = false,
            }
        }
    }

    /// Creates what was asked for, until there is no more.
    fn run(&self) {
        // What the SDK logs meanwhile, and what other layers then do, is not measured.
        let _recording = recording::Recording::start();
        loop {
            let metrics = {
                let mut queue = lock(&self.queue);
                let next = queue.asked.pop_front();
                queue.running = next.is_some();
                next
            };
            let Some(metrics) = metrics else {
                return;
            };
            metrics.create();
        }
    }
}

impl Waiting {
    pub(crate) fn new(maker: &Arc<Maker>, kind: Kind, name: &str) -> Self {
        let held = Held::new(boundaries(&maker.rule));
        Self {
            maker: Arc::clone(maker),
            kind,
            name: name.into(),
            values: Mutex::new(Values { held, asked: false }),
        }
    }
}

impl EventMetrics {
    /// Keeps the numbers until the instruments are there. Whether they had to be kept: `false` if they have come meanwhile.
    pub(crate) fn hold(self: &Arc<Self>, place: usize, key: Key, numbers: Numbers<f64>) -> bool {
        let Some(waiting) = &self.waiting else {
            return false;
        };
        let is_new = {
            let mut values = lock(&waiting.values);
            // Set under this lock, when there are no values left.
            if self.instruments().is_some() {
                return false;
            }
            values.held.add(place, key, numbers);
            !std::mem::replace(&mut values.asked, true)
        };
        if is_new {
            waiting.maker.coverage.set_pending(&waiting.name, true);
        }
        waiting.maker.make(self, is_new);
        true
    }

    /// Creates the instruments, and records the values that were kept.
    fn create(&self) {
        let Some(Waiting { maker, kind, name, values }) = &self.waiting else {
            return;
        };
        let created =
            catch_unwind(AssertUnwindSafe(|| prefixed(&maker.meter, *kind, name, &maker.rule)));
        let instruments = created.unwrap_or_else(|_| {
            maker.coverage.refuse(format!("{name:?} is left out: the meter panicked"));
            EventInstruments::default()
        });
        loop {
            let held = {
                let mut values = lock(values);
                // Values that add up may be recorded in any order. Those of a gauge may not: it is kept until nothing has come
                // while its last values were recorded.
                if *kind != Kind::Gauge || values.held.is_empty() {
                    self.set_instruments(instruments.clone());
                }
                values.held.take()
            };
            for (place, series) in held {
                // A provider that panics costs what it was given.
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    for numbers in series.values() {
                        recording::replayed(self, &instruments, place, series.key, numbers);
                    }
                }));
            }
            if self.instruments().is_some() {
                break;
            }
        }
        maker.coverage.set_pending(name, false);
    }
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maker").field("rule", &self.rule).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::label_values::Ids;
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
        assert!(hold(&metrics, 1.0));
        assert!(hold(&metrics, 2.0));
        assert!(metrics.instruments().is_none());
        assert!(hold(&metrics, 3.0));
        let start = Instant::now();
        while metrics.instruments().is_none() {
            assert!(start.elapsed() < Duration::from_secs(20), "the thread does not end");
            thread::sleep(Duration::from_millis(1));
        }
        assert!(metrics.instruments().is_some());
        assert_eq!(TRIES.load(Ordering::Relaxed), 3);
        assert!(!hold(&metrics, 4.0), "from now on they are recorded");
    }

    #[test]
    fn where_there_are_no_threads_the_event_creates_its_metric() {
        let metrics = gauge(|_| Err(io::ErrorKind::Unsupported.into()));
        assert!(hold(&metrics, 1.0));
        assert!(metrics.instruments().is_some());
    }

    fn gauge(spawn: fn(Box<dyn FnOnce() + Send>) -> io::Result<()>) -> Arc<EventMetrics> {
        let meter = opentelemetry::global::meter("test");
        let coverage = Coverage::new([]);
        let maker = Maker::with_spawn(&meter, &Rule::prefixed_fields(), &coverage, spawn);
        let waiting = Waiting::new(&maker, Kind::Gauge, "load");
        Arc::new(EventMetrics::of_field(waiting, Vec::new(), 10))
    }

    fn hold(metrics: &Arc<EventMetrics>, value: f64) -> bool {
        let numbers = Numbers { gauge: Some(value), ..Numbers::default() };
        let key = Key::new(&Ids::default(), &[].into_iter().collect());
        let (place, key, _) = metrics.series.series(key).expect("the first series");
        metrics.hold(place, key, numbers)
    }
}
