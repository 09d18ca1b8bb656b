//! The statistics of a worker pool, read at each scrape.
//!
//! ```
//! use asdlc_exporter::{Exporter, workers::{self, PoolStatistics}};
//! use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = Exporter::builder("workers").build()?;
//! let done = Arc::new(AtomicU64::new(0));
//! let pool = Arc::clone(&done);
//! workers::register(&exporter.meter(), move || {
//!     PoolStatistics::default().with_succeeded(pool.load(Ordering::Relaxed))
//! });
//!
//! done.store(3, Ordering::Relaxed);
//! let text = exporter.render()?;
//! assert!(text.contains(r#"events_processed_total{service="workers",status="success"} 3"#));
//! assert!(text.contains(r#"events_processed_total{service="workers",status="failed"} 0"#));
//! assert!(text.contains(r#"active_workers{service="workers"} 0"#));
//! # Ok(()) }
//! ```

use crate::{catch_panic::catch_panic, collect::shared_read::SharedRead};
use opentelemetry::{KeyValue, metrics::Meter};
use std::sync::Arc;

/// A pool that can tell its statistics; every `Fn() -> PoolStatistics` is one.
///
/// ```
/// use asdlc_exporter::workers::{Pool, PoolStatistics};
///
/// struct Threads;
///
/// impl Pool for Threads {
///     fn statistics(&self) -> PoolStatistics {
///         PoolStatistics::default().with_active_workers(2)
///     }
/// }
/// ```
pub trait Pool: Send + Sync + 'static {
    /// The statistics of this moment.
    ///
    /// Called once in each collection, on its thread: it should read numbers, not wait for work. It
    /// must not create instruments or collect metrics, which would
    /// wait for themselves. A panic costs this pool's metrics in this scrape, and a warning.
    fn statistics(&self) -> PoolStatistics;
}

impl<F: Fn() -> PoolStatistics + Send + Sync + 'static> Pool for F {
    fn statistics(&self) -> PoolStatistics {
        self()
    }
}

impl<P: Pool + ?Sized> Pool for Arc<P> {
    fn statistics(&self) -> PoolStatistics {
        (**self).statistics()
    }
}

/// What a pool tells about itself; everything is 0 until it is said, and the size unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatistics {
    size: Option<u64>,
    active_workers: u64,
    active_tasks: u64,
    succeeded: u64,
    failed: u64,
}

impl PoolStatistics {
    /// How many workers there are, at work or not: all are busy when so many are
    /// [active](Self::with_active_workers).
    #[must_use]
    pub fn with_size(mut self, workers: u64) -> Self {
        self.size = Some(workers);
        self
    }

    /// Workers that are at work now.
    #[must_use]
    pub fn with_active_workers(mut self, workers: u64) -> Self {
        self.active_workers = workers;
        self
    }

    /// Events in progress now.
    #[must_use]
    pub fn with_active_tasks(mut self, tasks: u64) -> Self {
        self.active_tasks = tasks;
        self
    }

    /// All events that were processed with success since the pool began.
    #[must_use]
    pub fn with_succeeded(mut self, events: u64) -> Self {
        self.succeeded = events;
        self
    }

    /// All events whose processing failed since the pool began.
    #[must_use]
    pub fn with_failed(mut self, events: u64) -> Self {
        self.failed = events;
        self
    }
}

/// Creates the metrics of a pool; all of one scrape come from one call of
/// [`statistics`](Pool::statistics).
///
/// | family | type | |
/// |---|---|---|
/// | `active_workers` | gauge | workers that are at work |
/// | `active_tasks` | gauge | events in progress |
/// | `worker_pool_size` | gauge | workers of the pool; absent unless [it is told](PoolStatistics::with_size) |
/// | `events_processed_total` | counter | events by `status`: `success` and `failed`, both from the start |
///
/// One pool for a meter provider: a second one has the same families, without a label to tell them
/// apart.
pub fn register(meter: &Meter, pool: impl Pool) {
    let pool = Arc::new(SharedRead::of_foreign(move || {
        let statistics = catch_panic(|| pool.statistics());
        if statistics.is_none() {
            let _ = catch_panic(|| {
                tracing::warn!("the statistics of the worker pool panicked: no metrics of it");
            });
        }
        statistics
    }));
    let gauge = |name, help, callback, value: fn(PoolStatistics) -> Option<u64>| {
        let pool = Arc::clone(&pool);
        meter
            .u64_observable_gauge(name)
            .with_description(help)
            .with_callback(move |observer| {
                if let Some(value) = pool.get(callback).and_then(value) {
                    observer.observe(value, &[]);
                }
            })
            .build();
    };
    gauge("active_workers", "Workers that are at work.", 0, |pool| Some(pool.active_workers));
    gauge("active_tasks", "Events in progress.", 1, |pool| Some(pool.active_tasks));
    gauge("worker_pool_size", "Workers of the pool, at work or not.", 2, |pool| pool.size);
    meter
        .u64_observable_counter("events_processed_total")
        .with_description("Events that were processed.")
        .with_callback(move |observer| {
            if let Some(PoolStatistics { succeeded, failed, .. }) = pool.get(3) {
                observer.observe(succeeded, &[KeyValue::new("status", "success")]);
                observer.observe(failed, &[KeyValue::new("status", "failed")]);
            }
        })
        .build();
}
