//! One scrape that waits for its answer.

use crate::{error::ScrapeError, render::Query, scrape::negotiate::Encoding};
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
    pub(crate) deadline: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Waiting(Option<Waker>),
    Answered(Answer),
    /// The answer was taken, or nobody wants it any more.
    Done,
}

impl Ticket {
    pub(crate) fn new(query: Query, encoding: Encoding, deadline: Instant) -> Self {
        Self { query, encoding, deadline, state: Mutex::new(State::Waiting(None)) }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(*self.state(), State::Waiting(_))
    }

    /// Only the first answer counts.
    pub(crate) fn answer(&self, answer: Answer) {
        let mut state = self.state();
        if let State::Waiting(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Answered(answer);
            drop(state);
            // A waker is foreign code: it runs without our lock.
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Answer> {
        let mut state = self.state();
        match mem::replace(&mut *state, State::Done) {
            State::Answered(answer) => Poll::Ready(answer),
            State::Waiting(waker) => {
                let waker = waker.filter(|waker| waker.will_wake(cx.waker()));
                *state = State::Waiting(Some(waker.unwrap_or_else(|| cx.waker().clone())));
                Poll::Pending
            }
            State::Done => Poll::Pending,
        }
    }

    pub(crate) fn give_up(&self) {
        *self.state() = State::Done;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
