//! From a reader, a client takes the chunks of its stream.

use crate::{
    error::ScrapeError,
    stream::{client::OnEnd, state::ClientId, window::Window},
};
use bytes::Bytes;
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

/// Takes the chunks of a stream. Dropping it removes the client from the window.
#[derive(Debug)]
pub(crate) struct StreamReader {
    window: Arc<Window>,
    id: ClientId,
    has_ended: bool,
}

impl StreamReader {
    /// Adds a client to the window.
    pub(crate) fn new(window: Arc<Window>, deadline: Instant) -> Self {
        let id = window.join(deadline);
        Self { window, id, has_ended: false }
    }

    pub(crate) fn id(&self) -> ClientId {
        self.id
    }

    /// The next chunk. After an error, there are no more chunks.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, ScrapeError>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let poll = self.window.poll(self.id, cx);
        self.has_ended = matches!(poll, Poll::Ready(None | Some(Err(_))));
        poll
    }

    /// Whether all chunks were taken.
    pub(crate) fn is_over(&self) -> bool {
        self.has_ended || self.window.is_over(self.id)
    }

    /// Calls `on_end` once: when all chunks were taken, the client is given up, or this is dropped.
    pub(crate) fn on_end(&self, on_end: OnEnd) {
        self.window.on_end(self.id, on_end);
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.window.leave(self.id);
    }
}
