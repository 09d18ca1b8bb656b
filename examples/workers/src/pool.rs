//! The pool: a number of workers, each with one event at a time, and counters of the outcomes.

use asdlc_exporter::workers::PoolStatistics;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::Work;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing_asdlc_metrics::Metered;

#[derive(Clone)]
pub(crate) struct Pool(Arc<Inner>);

struct Inner {
    size: usize,
    free: Arc<Semaphore>,
    succeeded: AtomicU64,
    failed: AtomicU64,
    retries: AtomicU64,
}

/// A worker with an event. Dropping it makes the worker free again.
pub(crate) struct Worker {
    pool: Pool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Pool {
    pub(crate) fn new(size: usize) -> Self {
        Self(Arc::new(Inner {
            size,
            free: Arc::new(Semaphore::new(size)),
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        }))
    }

    /// Waits until a worker is free, and returns how many are. It does not reserve a worker.
    pub(crate) async fn free(&self) -> usize {
        // The semaphore is never closed.
        let _ = self.0.free.acquire().await;
        self.0.free.available_permits()
    }

    /// Takes a free worker, or waits for one.
    pub(crate) async fn worker(&self) -> Worker {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.0.free).acquire_owned().await.ok();
        Worker { pool: self.clone(), _permit: permit }
    }

    /// Waits until all workers are free.
    pub(crate) async fn idle(&self) {
        let _ = self.0.free.acquire_many(self.0.size as u32).await;
    }

    fn active(&self) -> u64 {
        (self.0.size - self.0.free.available_permits()) as u64
    }

    /// The statistics for `/metrics`.
    pub(crate) fn statistics(&self) -> PoolStatistics {
        PoolStatistics::default()
            .with_size(self.0.size as u64)
            .with_active_workers(self.active())
            .with_active_tasks(self.active())
            .with_succeeded(self.0.succeeded.load(Ordering::Relaxed))
            .with_failed(self.0.failed.load(Ordering::Relaxed))
    }

    /// The statistics for `/stats`.
    pub(crate) fn stats(&self) -> Value {
        json!({
            "workers": self.0.size,
            "active_workers": self.active(),
            "active_tasks": self.active(),
            "events_processed": {
                "success": self.0.succeeded.load(Ordering::Relaxed),
                "failed": self.0.failed.load(Ordering::Relaxed),
            },
            "retries": self.0.retries.load(Ordering::Relaxed),
        })
    }
}

impl Worker {
    /// Processes an event, with retries when it fails. Each attempt is a span.
    pub(crate) async fn carry_out(&self, work: &Work) -> Result<String, String> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            if let Ok(result) = attempt(work).await {
                return Ok(result);
            }
            self.pool.0.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        attempt(work).await
    }

    /// Counts the event. Called only when no worker will process it again.
    pub(crate) fn finished(self, result: &Result<String, String>) {
        let Inner { succeeded, failed, .. } = &*self.pool.0;
        let counter = if result.is_ok() { succeeded } else { failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

async fn attempt(work: &Work) -> Result<String, String> {
    work.run().metered(tracing::info_span!("event", kind = work.kind.name())).await
}

const ATTEMPTS: usize = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
