//! Metrics of a worker pool, read at each scrape.
//!
//! ```
//! use asdlc_exporter::{Exporter, workers::{self, PoolStatistics}};
//! use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = Exporter::builder("workers").build()?;
//! let done = Arc::new(AtomicU64::new(0));
//! let pool = Arc::clone(&done);
//! workers::register(&exporter, move || {
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

use crate::{
    catch_panic::catch_panic, collect::shared_read::SharedRead, meter_source::MeterSource,
};
use opentelemetry::KeyValue;
use std::sync::Arc;

/// A worker pool that has statistics. Every `Fn() -> PoolStatistics` is one.
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
    /// The current statistics.
    ///
    /// Called once in each collection, on the collecting thread. It should read numbers and must not wait.
    /// It must not create instruments or collect metrics: that would deadlock. If it panics, this pool's
    /// metrics are missing in the scrape, and a warning is logged.
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

/// The statistics of a pool. By default, all numbers are 0, and the size is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatistics {
    size: Option<u64>,
    active_workers: u64,
    active_tasks: u64,
    succeeded: u64,
    failed: u64,
}

impl PoolStatistics {
    /// The number of workers, active or not. If it equals the number of
    /// [active workers](Self::with_active_workers), all workers are busy.
    #[must_use]
    pub fn with_size(mut self, workers: u64) -> Self {
        self.size = Some(workers);
        self
    }

    /// The number of workers that process an event now.
    #[must_use]
    pub fn with_active_workers(mut self, workers: u64) -> Self {
        self.active_workers = workers;
        self
    }

    /// The number of events in progress now.
    #[must_use]
    pub fn with_active_tasks(mut self, tasks: u64) -> Self {
        self.active_tasks = tasks;
        self
    }

    /// How many events were processed successfully since the pool started.
    #[must_use]
    pub fn with_succeeded(mut self, events: u64) -> Self {
        self.succeeded = events;
        self
    }

    /// How many events failed since the pool started.
    #[must_use]
    pub fn with_failed(mut self, events: u64) -> Self {
        self.failed = events;
        self
    }
}

/// Creates the metrics of a pool. All values of a scrape come from one call of
/// [`statistics`](Pool::statistics), unless an additional reader collects at the same time.
///
/// | family | type | |
/// |---|---|---|
/// | `active_workers` | gauge | workers that process an event |
/// | `active_tasks` | gauge | events in progress |
/// | `worker_pool_size` | gauge | workers of the pool; absent if the [size](PoolStatistics::with_size) is unknown |
/// | `events_processed_total` | counter | events by `status`, `success` or `failed`; both exist from the start |
///
/// Register one pool in a meter provider. A second pool would have the same families, without a label that
/// distinguishes them.
pub fn register<K>(meter: &(impl MeterSource<K> + ?Sized), pool: impl Pool) {
    let meter = meter.to_meter();
    let pool = Arc::new(SharedRead::with_user_code(move || {
        let statistics = catch_panic(|| pool.statistics());
        if statistics.is_none() {
            let _ = catch_panic(|| {
                tracing::warn!(
                    "reading the statistics of the worker pool panicked: its metrics are missing"
                );
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
    gauge("active_workers", "Workers that process an event.", 0, |pool| Some(pool.active_workers));
    gauge("active_tasks", "Events in progress.", 1, |pool| Some(pool.active_tasks));
    gauge("worker_pool_size", "Workers of the pool, active or not.", 2, |pool| pool.size);
    meter
        .u64_observable_counter("events_processed")
        .with_description("Events that were processed.")
        .with_callback(move |observer| {
            if let Some(PoolStatistics { succeeded, failed, .. }) = pool.get(3) {
                observer.observe(succeeded, &[KeyValue::new("status", "success")]);
                observer.observe(failed, &[KeyValue::new("status", "failed")]);
            }
        })
        .build();
}
