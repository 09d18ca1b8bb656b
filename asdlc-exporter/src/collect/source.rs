//! The trait `Source`, and a source together with its name and its last outcome.

use crate::catch_panic::catch_panic;
use std::{
    fmt,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
};

/// Refreshes values before each collection, and stores them where the callbacks of its instruments
/// find them.
///
/// A callback must not wait, because all other callbacks wait with it. A source may wait. Every
/// function that returns a future is a source:
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
/// Use [`blocking`] for a function that blocks its thread.
///
/// All sources run at the same time, each on its own thread. This is not a thread of an async runtime:
/// a source that needs a runtime must own a handle to it.
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
/// A source that panics, or takes longer than
/// [allowed](crate::ExporterBuilder::with_source_timeout), does not fail the scrape: the scrape
/// continues with the values that were stored before. The exporter drops the future of a late source.
/// It cannot stop a source that blocks: it leaves the thread running and does not start the source
/// again until the thread returns. The exporter logs a failure unless the run before failed too.
/// `exporter_source_up` of the [self-metrics](crate::ExporterBuilder::with_self_metrics) shows the
/// result of the last run.
///
/// Clients do not change the time limit of a source. If a client waits for less time than a source
/// needs, it gets the values that were stored before, or a 503. The source continues, for other
/// clients and for the next scrape, and does not count as late.
///
/// So callbacks can run before the first run of a source has ended. They should observe no value until
/// then: `up 0` would be a false alarm.
pub trait Source: Send + Sync + 'static {
    /// Refreshes the values.
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Called when a run did not refresh the values: the source panicked, was late, or could not be
    /// started.
    ///
    /// The exporter calls this before it runs the callbacks of the scrapes that waited for the source.
    /// These callbacks would read old values, which a source can reset here. This method must not
    /// block. It is not called if only a client's timeout was too short for the source.
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

/// Makes a source of a function that blocks its thread.
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

/// A source with its name and what is known from its last run.
pub(crate) struct NamedSource {
    name: String,
    source: Box<dyn Source>,
    /// Whether a thread still runs the source. It may be a thread of an earlier run.
    is_running: AtomicBool,
    was_fresh: AtomicBool,
}

/// How a run of one source ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceOutcome {
    Fresh,
    Panicked,
    Late,
    NoThread,
}

impl NamedSource {
    pub(crate) fn new(name: String, source: impl Source) -> Self {
        Self {
            name,
            source: Box::new(source),
            is_running: AtomicBool::new(false),
            was_fresh: AtomicBool::new(true),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.source.refresh()
    }

    /// Marks the source as running. `false` if it is running already.
    pub(crate) fn try_start(&self) -> bool {
        !self.is_running.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn set_stopped(&self) {
        self.is_running.store(false, Ordering::Release);
    }

    /// Calls [`Source::missed`] if there are no fresh values. Also logs a warning if the previous
    /// run had fresh values.
    pub(crate) fn report(&self, outcome: SourceOutcome) {
        let is_fresh = outcome == SourceOutcome::Fresh;
        if !is_fresh {
            // A panic in `missed` is not logged: the warning below is enough.
            let _ = catch_panic(|| self.source.missed());
        }
        let was_fresh = self.was_fresh.swap(is_fresh, Ordering::Relaxed);
        if was_fresh && !is_fresh {
            let _ = catch_panic(|| {
                tracing::warn!("source `{}` has no fresh values: it {outcome}", self.name);
            });
        }
    }
}

impl fmt::Display for SourceOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fresh => "is up to date",
            Self::Panicked => "panicked",
            Self::Late => "did not end before the source timeout",
            Self::NoThread => "could not be started on a thread",
        })
    }
}
