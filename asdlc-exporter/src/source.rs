//! What has to be asked for its values before metrics are collected.

use crate::round::Round;
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
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
pub trait Source: Send + Sync + 'static {
    /// Brings the values up to date.
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// A scrape goes on without fresh values of this source, which panicked or is late.
    ///
    /// Called on the thread that collects, before the callbacks: what they read is from earlier,
    /// and a source for which that is wrong can say so here. It must not wait.
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
    /// Held while they are asked: by one scrape at a time.
    turn: Mutex<()>,
}

struct Slot {
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

    /// Asks all, waits for them this long, unless the `round` is cut short, and tells `each` whether
    /// a source of this name has fresh values.
    pub(crate) fn refresh(
        &self,
        round: &Arc<Round>,
        patience: Duration,
        mut each: impl FnMut(&str, bool),
    ) {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if slots.is_empty() {
            return;
        }
        let outcomes = {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            // From now on: another round's time is not this one's.
            if let Some(until) = Instant::now().checked_add(patience) {
                round.wait_until(until);
            }
            refresh_all(&slots, round)
        };
        for (slot, outcome) in slots.iter().zip(outcomes) {
            let is_fresh = outcome == Outcome::Fresh;
            if !is_fresh {
                // A panic here tells no more than the line below.
                let _ = catch_unwind(AssertUnwindSafe(|| slot.source.missed()));
            }
            each(&slot.name, is_fresh);
            let was_fresh = slot.was_fresh.swap(is_fresh, Ordering::Relaxed);
            if was_fresh && !is_fresh {
                tracing::warn!("source `{}` has no fresh values: it {outcome}", slot.name);
            }
        }
    }
}

fn refresh_all(slots: &[Arc<Slot>], round: &Arc<Round>) -> Vec<Outcome> {
    round.begin(slots.len());
    let mut threads = Vec::new();
    for (at, slot) in slots.iter().enumerate() {
        if slot.is_running.swap(true, Ordering::AcqRel) {
            round.end(at, Outcome::Late);
            continue;
        }
        let (ours, of) = (Arc::clone(slot), Arc::clone(round));
        let run = move || {
            let drive = AssertUnwindSafe(|| drive(ours.source.refresh(), &of));
            let outcome = catch_unwind(drive).unwrap_or(Outcome::Panicked);
            ours.is_running.store(false, Ordering::Release);
            of.end(at, outcome);
        };
        match thread::Builder::new().name("metrics-source".into()).spawn(run) {
            Ok(thread) => threads.push(thread),
            Err(_) => {
                slot.is_running.store(false, Ordering::Release);
                round.end(at, Outcome::NoThread);
            }
        }
    }
    let outcomes = round.wait();
    threads.iter().for_each(|thread| thread.thread().unpark());
    outcomes
}

/// Polls the future on this thread until it is ready or all is over.
fn drive(future: impl Future<Output = ()>, round: &Round) -> Outcome {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    while !round.is_over() {
        if let Poll::Ready(()) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Outcome::Fresh;
        }
        thread::park();
    }
    Outcome::Late
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
