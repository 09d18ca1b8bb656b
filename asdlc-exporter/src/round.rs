//! How long a collection waits for its sources.

use crate::source::Outcome;
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// One wait for all sources, which can be cut short while it goes on.
#[derive(Debug, Default)]
pub(crate) struct Round {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// For ever, if there is none.
    until: Option<Instant>,
    outcomes: Vec<Option<Outcome>>,
    is_over: bool,
}

impl Round {
    /// Waits no longer than this, now and later.
    pub(crate) fn wait_until(&self, until: Instant) {
        let mut state = self.state();
        state.until = Some(state.until.map_or(until, |earlier| earlier.min(until)));
        drop(state);
        self.changed.notify_all();
    }

    pub(crate) fn begin(&self, sources: usize) {
        self.state().outcomes = vec![None; sources];
    }

    /// The source of this number has ended. Nobody listens after the wait.
    pub(crate) fn end(&self, source: usize, outcome: Outcome) {
        if let Some(place) = self.state().outcomes.get_mut(source) {
            *place = Some(outcome);
        }
        self.changed.notify_all();
    }

    /// Until all have ended, or the time is up: those who have not are late.
    pub(crate) fn wait(&self) -> Vec<Outcome> {
        let mut state = self.state();
        while state.outcomes.contains(&None) {
            state = match state.until {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    let wait = self.changed.wait_timeout(state, left);
                    wait.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.is_over = true;
        state.outcomes.iter().map(|outcome| outcome.unwrap_or(Outcome::Late)).collect()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state().is_over
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
