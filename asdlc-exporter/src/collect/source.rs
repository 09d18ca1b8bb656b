//! What has to be asked for its values before metrics are collected.

use crate::{collect::source_run::Round, survive::survive};
use std::{
    fmt,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// Something that is asked for its values before each collection, to leave them where the callbacks
/// of its instruments find them.
///
/// A callback itself must not wait: all others wait with it. A source may. Every function that
/// returns a future is one:
///
/// ```
/// use asdlc_exporter::Exporter;
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// # async fn depth_of_the_queue() -> u64 { 7 }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop").build()?;
/// let depth = Arc::new(AtomicU64::new(0));
/// let read = depth.clone();
/// exporter
///     .meter()
///     .u64_observable_gauge("queue_depth")
///     .with_callback(move |observer| observer.observe(read.load(Ordering::Relaxed), &[]))
///     .build();
/// exporter.add_source("queue", move || {
///     let depth = depth.clone();
///     async move { depth.store(depth_of_the_queue().await, Ordering::Relaxed) }
/// });
/// assert!(exporter.render()?.contains("queue_depth{service=\"shop\"} 7\n"));
/// # Ok(()) }
/// ```
///
/// and what blocks is one in [`blocking`].
///
/// All sources run at the same time, each on a thread of its own, which is no thread of a runtime:
/// a future that needs one brings it along.
///
/// ```
/// # async fn ping() {}
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let exporter = asdlc_exporter::Exporter::builder("shop").build()?;
/// let runtime = tokio::runtime::Handle::current();
/// exporter.add_source("redis", move || {
///     let ping = runtime.spawn(ping());
///     async { drop(ping.await) }
/// });
/// # Ok(()) }
/// ```
///
/// One that panics, or takes longer than
/// [allowed](crate::ExporterBuilder::with_source_timeout), costs what it would have brought and
/// nothing else: the scrape goes on with the values that are there. Its future is dropped; one that
/// blocks is left alone and not asked again before it is back. The log says so once, and
/// `exporter_source_up` of the
/// [self-metrics](crate::ExporterBuilder::with_self_metrics) at each scrape.
///
/// Clients do not change the time limit of a source. If a client waits for less time than a source
/// needs, it gets the values that are there, or a 503. The source continues, for other clients and for
/// the next scrape, and is not reported as late or down. So an instrument should have no value
/// before its source has run for the first time: `up 0` would be a false alarm.
pub trait Source: Send + Sync + 'static {
    /// Brings the values up to date.
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// The source panicked, or its time is up: there are no fresh values.
    ///
    /// The exporter calls this before the callbacks of the scrapes that waited for the source. The
    /// callbacks would read old values; a source can reset them here. This method must not block. It is
    /// not called only because a client has a short timeout.
    fn missed(&self) {}
}

impl<F, T> Source for F
where
    F: Fn() -> T + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self())
    }
}

/// A source that blocks its thread.
///
/// ```
/// use asdlc_exporter::{Exporter, blocking};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop").build()?;
/// let size = exporter.meter().u64_gauge("log_size_bytes").build();
/// exporter.add_source("log", blocking(move || {
///     if let Ok(log) = std::fs::metadata("/dev/null") {
///         size.record(log.len(), &[]);
///     }
/// }));
/// assert!(exporter.render()?.contains("log_size_bytes{service=\"shop\"} 0\n"));
/// # Ok(()) }
/// ```
pub fn blocking(refresh: impl Fn() + Send + Sync + 'static) -> impl Source {
    Blocking(refresh)
}

struct Blocking<F>(F);

impl<F: Fn() + Send + Sync + 'static> Source for Blocking<F> {
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async { self.0() })
    }
}

/// The sources of one exporter.
#[derive(Default)]
pub(crate) struct Sources {
    slots: Mutex<Vec<Arc<Slot>>>,
    /// The round that began last.
    last: Mutex<Option<Arc<Round>>>,
}

pub(crate) struct Slot {
    name: String,
    source: Box<dyn Source>,
    is_running: AtomicBool,
    was_fresh: AtomicBool,
}

/// How a source did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Fresh,
    Panicked,
    Late,
    NoThread,
}

impl Sources {
    pub(crate) fn add(&self, name: String, source: impl Source) {
        let slot = Slot {
            name,
            source: Box::new(source),
            is_running: AtomicBool::new(false),
            was_fresh: AtomicBool::new(true),
        };
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(slot));
    }

    /// The round to wait for by those that came before `since`. `None` without a source.
    ///
    /// It may have begun before `since`: then they wait for it, and ask again. There is one round at
    /// a time, and each gets all its time, so that sources are neither asked twice at once nor cut
    /// short.
    pub(crate) fn round(&self, since: Instant, timeout: Duration) -> Option<Arc<Round>> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if slots.is_empty() {
            return None;
        }
        let mut last = self.last();
        if let Some(round) = &*last
            && (!round.is_closed() || round.began >= since)
        {
            return Some(Arc::clone(round));
        }
        let round = Arc::new(Round::new(slots, timeout));
        *last = Some(Arc::clone(&round));
        drop(last);
        start(&round);
        Some(round)
    }

    fn last(&self) -> MutexGuard<'_, Option<Arc<Round>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        if let Some(round) = self.last().take() {
            round.abandon();
        }
    }
}

impl Slot {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Says so when there are no fresh values, to the source each time and in the log once.
    pub(crate) fn ended(&self, outcome: Outcome) {
        let is_fresh = outcome == Outcome::Fresh;
        if !is_fresh {
            // A panic here tells no more than the line below.
            let _ = survive(|| self.source.missed());
        }
        let was_fresh = self.was_fresh.swap(is_fresh, Ordering::Relaxed);
        if was_fresh && !is_fresh {
            // A subscriber is foreign code.
            let _ = survive(|| {
                tracing::warn!("source `{}` has no fresh values: it {outcome}", self.name);
            });
        }
    }
}

fn start(round: &Arc<Round>) {
    for (at, slot) in round.slots().iter().enumerate() {
        if slot.is_running.swap(true, Ordering::AcqRel) {
            round.end(at, Outcome::Late);
            continue;
        }
        let (ours, of) = (Arc::clone(slot), Arc::clone(round));
        let run = move || {
            of.runs_on(thread::current());
            let outcome = survive(|| drive(ours.source.refresh(), &of));
            ours.is_running.store(false, Ordering::Release);
            of.end(at, outcome.unwrap_or(Outcome::Panicked));
        };
        if thread::Builder::new().name("metrics-source".into()).spawn(run).is_err() {
            slot.is_running.store(false, Ordering::Release);
            round.end(at, Outcome::NoThread);
        }
    }
}

/// Polls the future on this thread until it is ready or its time is up.
fn drive(future: impl Future<Output = ()>, round: &Round) -> Outcome {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(()) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Outcome::Fresh;
        }
        let Some(left) = round.time_left() else { return Outcome::Late };
        thread::park_timeout(left);
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fresh => "is up to date",
            Self::Panicked => "panicked",
            Self::Late => "is late",
            Self::NoThread => "got no thread to run on",
        })
    }
}
