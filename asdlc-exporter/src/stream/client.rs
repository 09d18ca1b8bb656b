//! One client of a streamed exposition.

use crate::{catch_panic::catch_panic, error::ScrapeErrorKind};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

/// Called once when a stream has ended, with the number of bytes that the client has taken.
pub(crate) type OnEnd = Box<dyn FnOnce(u64) + Send>;

/// What the window knows about a client.
pub(super) struct Client {
    /// The chunks that it has not taken yet. Other clients may have the same ones.
    pub(super) chunks: VecDeque<Arc<Bytes>>,
    pub(super) stage: Stage,
    /// A waker is user code: it is cloned, called and dropped without the lock, and may panic.
    pub(super) waker: Option<Waker>,
    /// When it is given up.
    pub(super) deadline: Instant,
    pub(super) on_end: Option<OnEnd>,
    /// How many bytes it has taken.
    pub(super) taken: u64,
    /// How long the writer has waited for it while other clients or scrapes waited for the writer.
    pub(super) delayed: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// More chunks may come.
    Writing,
    /// It has all chunks.
    Written,
    Failed(Failure),
}

/// Why a stream ends with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The client does not read, or is too slow.
    NotRead,
    /// The client has read everything, but the exposition was not written in time.
    NotWritten,
    NotCompressed,
    Panicked,
}

impl Client {
    pub(super) fn new(deadline: Instant) -> Self {
        Self {
            chunks: VecDeque::new(),
            stage: Stage::Writing,
            waker: None,
            deadline,
            on_end: None,
            taken: 0,
            delayed: Duration::ZERO,
        }
    }

    /// Whether more chunks may come, or some are not taken yet.
    pub(super) fn is_live(&self) -> bool {
        match self.stage {
            Stage::Writing => true,
            Stage::Written => !self.chunks.is_empty(),
            Stage::Failed(_) => false,
        }
    }
}

impl From<Failure> for ScrapeErrorKind {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotRead => Self::NotRead,
            Failure::NotWritten => Self::Deadline,
            Failure::NotCompressed => Self::NotCompressed,
            Failure::Panicked => Self::Panicked,
        }
    }
}

/// What to call after the lock of the window is released.
#[derive(Default)]
#[must_use = "wakers and ends must be called"]
pub(super) struct Afterwards {
    wakers: Vec<Waker>,
    ends: Vec<(OnEnd, u64)>,
}

impl Afterwards {
    pub(super) fn wake(&mut self, client: &mut Client) {
        self.wakers.extend(client.waker.take());
    }

    /// The stream of this client has ended.
    pub(super) fn end(&mut self, client: &mut Client) {
        let taken = client.taken;
        self.ends.extend(client.on_end.take().map(|on_end| (on_end, taken)));
    }

    pub(super) fn run(self) {
        let Self { wakers, ends } = self;
        // First, so that a client that was woken finds its stream ended.
        for (on_end, taken) in ends {
            let _ = catch_panic(|| on_end(taken));
        }
        for waker in wakers {
            let _ = catch_panic(|| waker.wake());
        }
    }
}
