//! One scrape that waits for its answer.

use crate::{
    error::ScrapeError, exposition::render::Query, scrape::negotiate::Encoding, survive::survive,
};
use bytes::Bytes;
use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};

/// What a scrape gets. Scrapes that were answered together share it.
pub(crate) type Answer = Result<Body, Arc<ScrapeError>>;

#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) encoding: Encoding,
}

#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) query: Query,
    pub(crate) encoding: Encoding,
    /// When it stops waiting for sources and takes the values that are there.
    pub(crate) patience: Instant,
    /// When it must be answered.
    pub(crate) deadline: Instant,
    state: Mutex<State>,
}

/// A waker is foreign code: it is cloned, called and dropped without the lock, and may panic.
#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Answered(Answer),
    /// The answer was taken, or nobody wants it any more.
    Done,
}

impl Ticket {
    pub(crate) fn new(query: Query, encoding: Encoding, deadline: Instant) -> Self {
        let now = Instant::now();
        // Half of its time is for what comes after the sources.
        let patience = now + deadline.saturating_duration_since(now) / 2;
        Self { query, encoding, patience, deadline, state: Mutex::new(State::Waiting(None)) }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(*self.state(), State::Waiting(_))
    }

    /// Only the first answer counts.
    pub(crate) fn answer(&self, answer: Answer) {
        let mut state = self.state();
        let State::Waiting(waker) = &mut *state else { return };
        let waker = waker.take();
        *state = State::Answered(answer);
        drop(state);
        let _ = survive(|| waker.map(Waker::wake));
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Answer> {
        match &*self.state() {
            State::Waiting(Some(waker)) if waker.will_wake(cx.waker()) => return Poll::Pending,
            State::Waiting(_) | State::Answered(_) => {}
            State::Done => return Poll::Pending,
        }
        let new = cx.waker().clone();
        let mut state = self.state();
        let (poll, unused) = match mem::replace(&mut *state, State::Done) {
            State::Answered(answer) => (Poll::Ready(answer), Some(new)),
            State::Waiting(old) => {
                *state = State::Waiting(Some(new));
                (Poll::Pending, old)
            }
            State::Done => (Poll::Pending, Some(new)),
        };
        drop(state);
        let _ = survive(|| drop(unused));
        poll
    }

    pub(crate) fn give_up(&self) {
        let state = mem::replace(&mut *self.state(), State::Done);
        let _ = survive(|| drop(state));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
