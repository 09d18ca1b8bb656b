//! A long response that is read while it is sent to the client.

use super::{api_error::ApiErrorType, connection_pool::PooledBody};
use bytes::Bytes;
use http_body::Body as _;
use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::{
    sync::OwnedSemaphorePermit,
    task::AbortHandle,
    time::{Instant, sleep_until},
};

/// The bytes that were read before the response is sent, and the body with the rest.
#[derive(Debug)]
pub(super) struct StreamedResponse {
    pub(super) gzip: bool,
    pub(super) length: Option<u64>,
    pub(super) prefetched: Bytes,
    pub(super) rest: PooledBody,
    /// The limit of the rest, in bytes.
    pub(super) max_rest: u64,
    /// Counts this response as a query in flight until it is dropped.
    pub(super) _permit: Option<OwnedSemaphorePermit>,
}

impl StreamedResponse {
    /// The next bytes. They are empty at the end.
    pub(super) fn poll_bytes(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Bytes, ApiErrorType>> {
        if !self.prefetched.is_empty() {
            return Poll::Ready(Ok(mem::take(&mut self.prefetched)));
        }
        while let Some(frame) = ready!(Pin::new(&mut self.rest).poll_frame(context)) {
            let frame = frame.map_err(|_| ApiErrorType::ConnectionLost)?;
            // Trailers are not passed on. An empty frame is not the end.
            let bytes = frame.into_data().unwrap_or_default();
            if bytes.is_empty() {
                continue;
            }
            let left = self.max_rest.checked_sub(bytes.len() as u64);
            self.max_rest = left.ok_or(ApiErrorType::TooLarge)?;
            return Poll::Ready(Ok(bytes));
        }
        Poll::Ready(Ok(Bytes::new()))
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.prefetched.is_empty() && self.rest.is_end_stream()
    }

    /// The length of what is left, if it is known.
    pub(super) fn remaining_length(&self) -> Option<u64> {
        Some(self.prefetched.len() as u64 + self.rest.size_hint().exact()?)
    }
}

/// A streamed response that a timer drops at the deadline. If a client does not read, the body is
/// not polled. Without the timer, the permit of such a response would not be released.
#[derive(Debug)]
pub(super) struct TimedResponse {
    slot: Arc<Mutex<Slot>>,
    timer: AbortHandle,
}

#[derive(Debug)]
enum Slot {
    Idle(Box<StreamedResponse>),
    /// The response is being polled. It is not in the slot, because polling may call the wakers of
    /// user code, which must not run under the lock.
    Polled,
    Expired,
}

impl TimedResponse {
    pub(super) fn new(response: StreamedResponse, deadline: Instant) -> Self {
        let slot = Arc::new(Mutex::new(Slot::Idle(Box::new(response))));
        let timed = Arc::clone(&slot);
        let timer = tokio::spawn(async move {
            sleep_until(deadline).await;
            drop(replace(&timed, Slot::Expired));
        });
        Self { slot, timer: timer.abort_handle() }
    }

    /// Calls `poll` with the response; `None` after the deadline.
    pub(super) fn with<R>(&self, poll: impl FnOnce(&mut StreamedResponse) -> R) -> Option<R> {
        let mut response = match replace(&self.slot, Slot::Polled) {
            Slot::Idle(response) => response,
            Slot::Polled => return None,
            Slot::Expired => {
                drop(replace(&self.slot, Slot::Expired));
                return None;
            }
        };
        let polled = poll(&mut response);
        match replace(&self.slot, Slot::Idle(response)) {
            Slot::Polled => Some(polled),
            // The deadline passed during the poll.
            Slot::Idle(_) | Slot::Expired => {
                drop(replace(&self.slot, Slot::Expired));
                None
            }
        }
    }
}

impl Drop for TimedResponse {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

fn replace(slot: &Mutex<Slot>, next: Slot) -> Slot {
    mem::replace(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner), next)
}
