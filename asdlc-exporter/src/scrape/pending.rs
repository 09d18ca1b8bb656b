//! One scrape that waits for its result.

use crate::{
    catch_panic::catch_panic,
    error::ScrapeError,
    exposition::render::Query,
    scrape::encode::Encoding,
    stream::{StreamReader, Waiting},
};
use bytes::Bytes;
use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

/// The result of a scrape. Scrapes that one collection serves share the error.
pub(crate) type ScrapeResult = Result<Exposition, Arc<ScrapeError>>;

/// The encoded exposition of a scrape.
#[derive(Debug)]
pub(crate) struct Exposition {
    pub(crate) body: ExpositionBody,
    pub(crate) encoding: Encoding,
}

#[derive(Debug)]
pub(crate) enum ExpositionBody {
    /// One piece. Scrapes that one collection serves share its memory.
    Whole(Bytes),
    /// The stream of an exposition that is still being written, and its length, if this is known.
    Streamed(StreamReader, Option<u64>),
    /// The body would be streamed, but the request is a `HEAD`.
    Omitted,
}

/// What a client needs of the response.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivery {
    /// Only the head.
    pub(crate) is_head: bool,
    /// The length before the body. `HTTP/1.0` has no other way to show that a body is complete: without a
    /// length, the end of the connection is the end of the body.
    pub(crate) needs_length: bool,
}

#[derive(Debug)]
pub(crate) struct PendingScrape {
    pub(crate) query: Query,
    pub(crate) encoding: Encoding,
    pub(crate) delivery: Delivery,
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
    Waiting(Option<Waker>, Waiting),
    Completed(ScrapeResult),
    /// The result was taken, or the client is gone.
    Done,
}

impl PendingScrape {
    pub(crate) fn new(
        query: Query,
        encoding: Encoding,
        delivery: Delivery,
        deadline: Instant,
        waiting: Waiting,
    ) -> Self {
        let now = Instant::now();
        // The other half of the time is for collecting and writing.
        let source_deadline = now + deadline.saturating_duration_since(now) / 2;
        let stage = Mutex::new(PendingStage::Waiting(None, waiting));
        Self { query, encoding, delivery, source_deadline, deadline, stage }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(*self.stage(), PendingStage::Waiting(..))
    }

    /// Stores the result and wakes the task that waits. Later calls do nothing.
    pub(crate) fn complete(&self, result: ScrapeResult) {
        let mut stage = self.stage();
        if !matches!(*stage, PendingStage::Waiting(..)) {
            return;
        }
        let waited = mem::replace(&mut *stage, PendingStage::Completed(result));
        drop(stage);
        let PendingStage::Waiting(waker, waiting) = waited else { return };
        drop(waiting);
        let _ = catch_panic(|| waker.map(Waker::wake));
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<ScrapeResult> {
        match &*self.stage() {
            PendingStage::Waiting(Some(waker), _) if waker.will_wake(cx.waker()) => {
                return Poll::Pending;
            }
            PendingStage::Waiting(..) | PendingStage::Completed(_) => {}
            PendingStage::Done => return Poll::Pending,
        }
        let new_waker = cx.waker().clone();
        let mut stage = self.stage();
        let (poll, unused_waker) = match mem::replace(&mut *stage, PendingStage::Done) {
            PendingStage::Completed(result) => (Poll::Ready(result), Some(new_waker)),
            PendingStage::Waiting(old_waker, waiting) => {
                *stage = PendingStage::Waiting(Some(new_waker), waiting);
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
