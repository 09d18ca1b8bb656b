//! A long answer that is being sent, until its time is up.

use super::shared_call::Long;
use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep_until},
};

/// A long answer. When its time is up it is dropped, and its place among the queries in flight is
/// free, also when nobody polls the body because the client does not read.
#[derive(Debug)]
pub(super) struct Held {
    state: Arc<Mutex<State>>,
    timer: AbortHandle,
}

#[derive(Debug)]
enum State {
    Idle(Box<Long>),
    /// Taken out: no waker runs under the lock.
    Polled,
    Ended,
}

impl Held {
    pub(super) fn new(long: Long, deadline: Instant) -> Self {
        let state = Arc::new(Mutex::new(State::Idle(Box::new(long))));
        let timed = Arc::clone(&state);
        let timer = tokio::spawn(async move {
            sleep_until(deadline).await;
            drop(replace(&timed, State::Ended));
        });
        Self { state, timer: timer.abort_handle() }
    }

    /// `None` when the time is up.
    pub(super) fn with<R>(&self, poll: impl FnOnce(&mut Long) -> R) -> Option<R> {
        let mut long = match replace(&self.state, State::Polled) {
            State::Idle(long) => long,
            State::Polled => return None,
            State::Ended => {
                drop(replace(&self.state, State::Ended));
                return None;
            }
        };
        let polled = poll(&mut long);
        match replace(&self.state, State::Idle(long)) {
            State::Polled => Some(polled),
            // The time was up meanwhile.
            State::Idle(_) | State::Ended => {
                drop(replace(&self.state, State::Ended));
                None
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.timer.abort();
    }
}

fn replace(state: &Mutex<State>, next: State) -> State {
    mem::replace(&mut *state.lock().unwrap_or_else(PoisonError::into_inner), next)
}
