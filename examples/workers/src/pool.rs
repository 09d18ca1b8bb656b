//! The pool: so many workers, each with one event at a time, and what became of the events.

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

/// A worker that has an event; dropped, it is free again.
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

    /// Waits until a worker is free and says how many are. One who waits here keeps none from work.
    pub(crate) async fn free(&self) -> usize {
        // It is never closed.
        let _ = self.0.free.acquire().await;
        self.0.free.available_permits()
    }

    /// Takes a free worker, or the next that becomes free.
    pub(crate) async fn worker(&self) -> Worker {
        // It is never closed.
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

    /// What `/metrics` tells.
    pub(crate) fn statistics(&self) -> PoolStatistics {
        PoolStatistics::default()
            .with_size(self.0.size as u64)
            .with_active_workers(self.active())
            .with_active_tasks(self.active())
            .with_succeeded(self.0.succeeded.load(Ordering::Relaxed))
            .with_failed(self.0.failed.load(Ordering::Relaxed))
    }

    /// What `/stats` tells.
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
    /// Carries out an event, and tries again when it fails. Each attempt is a span.
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

    /// Counts the event: when it is really done with, and nobody will carry it out again.
    pub(crate) fn finished(self, result: &Result<String, String>) {
        let Inner { succeeded, failed, .. } = &*self.pool.0;
        let counter = if result.is_ok() { succeeded } else { failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

async fn attempt(work: &Work) -> Result<String, String> {
    work.done().metered(tracing::info_span!("event", kind = work.kind.name())).await
}

const ATTEMPTS: usize = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
