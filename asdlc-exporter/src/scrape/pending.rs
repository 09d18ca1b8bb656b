//! One scrape that waits for its result.

use crate::{
    catch_panic::catch_panic, error::ScrapeError, exposition::render::Query,
    scrape::encode::Encoding,
};
use bytes::Bytes;
use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

/// The result of a scrape. Scrapes that one collection serves share it.
pub(crate) type ScrapeResult = Result<Exposition, Arc<ScrapeError>>;

/// The encoded text of a scrape.
#[derive(Clone, Debug)]
pub(crate) struct Exposition {
    pub(crate) bytes: Bytes,
    pub(crate) encoding: Encoding,
}

#[derive(Debug)]
pub(crate) struct PendingScrape {
    pub(crate) query: Query,
    pub(crate) encoding: Encoding,
    /// When the scrape stops waiting for sources and is served with the values that were stored
    /// before.
    pub(crate) source_deadline: Instant,
    /// When the scrape fails if it has no result.
    pub(crate) deadline: Instant,
    stage: Mutex<PendingStage>,
}

/// A waker is user code: it is cloned, called and dropped without the lock, and may panic.
#[derive(Debug)]
enum PendingStage {
    Waiting(Option<Waker>),
    Completed(ScrapeResult),
    /// The result was taken, or the client is gone.
    Done,
}

impl PendingScrape {
    pub(crate) fn new(query: Query, encoding: Encoding, deadline: Instant) -> Self {
        let now = Instant::now();
        // The other half of the time is for collecting and writing.
        let source_deadline = now + deadline.saturating_duration_since(now) / 2;
        let stage = Mutex::new(PendingStage::Waiting(None));
        Self { query, encoding, source_deadline, deadline, stage }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(*self.stage(), PendingStage::Waiting(_))
    }

    /// Stores the result and wakes the task that waits. Later calls do nothing.
    pub(crate) fn complete(&self, result: ScrapeResult) {
        let mut stage = self.stage();
        let PendingStage::Waiting(waker) = &mut *stage else { return };
        let waker = waker.take();
        *stage = PendingStage::Completed(result);
        drop(stage);
        let _ = catch_panic(|| waker.map(Waker::wake));
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<ScrapeResult> {
        match &*self.stage() {
            PendingStage::Waiting(Some(waker)) if waker.will_wake(cx.waker()) => {
                return Poll::Pending;
            }
            PendingStage::Waiting(_) | PendingStage::Completed(_) => {}
            PendingStage::Done => return Poll::Pending,
        }
        let new_waker = cx.waker().clone();
        let mut stage = self.stage();
        let (poll, unused_waker) = match mem::replace(&mut *stage, PendingStage::Done) {
            PendingStage::Completed(result) => (Poll::Ready(result), Some(new_waker)),
            PendingStage::Waiting(old_waker) => {
                *stage = PendingStage::Waiting(Some(new_waker));
                (Poll::Pending, old_waker)
            }
            PendingStage::Done => (Poll::Pending, Some(new_waker)),
        };
        drop(stage);
        let _ = catch_panic(|| drop(unused_waker));
        poll
    }

    /// Ends the scrape without a result.
    pub(crate) fn cancel(&self) {
        let stage = mem::replace(&mut *self.stage(), PendingStage::Done);
        let _ = catch_panic(|| drop(stage));
    }

    fn stage(&self) -> MutexGuard<'_, PendingStage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
