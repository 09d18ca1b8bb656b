//! One run of all sources, and everybody who waits for it.

use crate::{
    collect::source::{Outcome, Slot},
    survive::survive,
};
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::Thread,
    time::{Duration, Instant},
};

/// A run of all sources at the same time.
///
/// Its time limit is a property of the exporter: no client shortens it. Whoever waits for it may
/// stop waiting at any time, which changes nothing for the sources and for others that wait.
pub(crate) struct Round {
    pub(crate) began: Instant,
    /// When sources that have not ended are late. Never, if there is none.
    limit: Option<Instant>,
    slots: Vec<Arc<Slot>>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    stage: Stage,
    outcomes: Vec<Option<Outcome>>,
    threads: Vec<Thread>,
    /// How often those that wait were asked to look again.
    nudges: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// All outcomes are final. One thread reports them.
    Closing,
    Closed,
}

impl Round {
    pub(crate) fn new(slots: Vec<Arc<Slot>>, timeout: Duration) -> Self {
        let began = Instant::now();
        let state = State {
            stage: Stage::Open,
            outcomes: vec![None; slots.len()],
            threads: Vec::new(),
            nudges: 0,
        };
        Self {
            began,
            limit: began.checked_add(timeout),
            slots,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn slots(&self) -> &[Arc<Slot>] {
        &self.slots
    }

    /// A source runs on this thread, which parks.
    pub(crate) fn runs_on(&self, thread: Thread) {
        self.state().threads.push(thread);
    }

    /// The source of this number has ended. After the limit it is late whatever it says, also when
    /// nobody waits who would have closed the round.
    pub(crate) fn end(&self, source: usize, outcome: Outcome) {
        let is_late = self.limit.is_some_and(|limit| limit <= Instant::now());
        let outcome = if is_late { Outcome::Late } else { outcome };
        let mut state = self.state();
        if let (Stage::Open, Some(place)) = (state.stage, state.outcomes.get_mut(source)) {
            *place = Some(outcome);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// How long a source may still run. `None` when it has to end.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        if self.state().stage != Stage::Open {
            return None;
        }
        let left =
            self.limit.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
        (!left.is_zero()).then_some(left)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().stage == Stage::Closed
    }

    /// Makes those that wait look again at how long they want to wait.
    pub(crate) fn nudge(&self) {
        self.state().nudges += 1;
        self.changed.notify_all();
    }

    /// How often there was a [`nudge`](Self::nudge).
    pub(crate) fn nudges(&self) -> u64 {
        self.state().nudges
    }

    /// Waits until all sources have ended or are late, and what that means was reported. Returns
    /// earlier, with `false`, at `until` and when there were more than these `nudges`.
    ///
    /// `report` gets the name of each source and whether its values are fresh, from one of those that
    /// wait. It runs without a lock, after [`Source::missed`](crate::Source::missed).
    pub(crate) fn wait(
        &self,
        until: Option<Instant>,
        nudges: u64,
        report: impl FnMut(&str, bool),
    ) -> bool {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            let is_late = self.limit.is_some_and(|limit| limit <= now);
            match state.stage {
                Stage::Closed => return true,
                Stage::Open if is_late || !state.outcomes.contains(&None) => {
                    self.close(state, report);
                    return true;
                }
                Stage::Open | Stage::Closing => {}
            }
            if state.nudges != nudges || until.is_some_and(|until| until <= now) {
                return false;
            }
            let limit = self.limit.filter(|_| state.stage == Stage::Open);
            state = match until.into_iter().chain(limit).min() {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let wait = self.changed.wait_timeout(state, at.saturating_duration_since(now));
                    wait.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn close(&self, mut state: MutexGuard<'_, State>, mut report: impl FnMut(&str, bool)) {
        state.stage = Stage::Closing;
        let outcomes = std::mem::take(&mut state.outcomes);
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        threads.iter().for_each(Thread::unpark);
        for (slot, outcome) in self.slots.iter().zip(outcomes) {
            let outcome = outcome.unwrap_or(Outcome::Late);
            slot.ended(outcome);
            // Self-metrics: the SDK's code.
            let _ = survive(|| report(slot.name(), outcome == Outcome::Fresh));
        }
        self.state().stage = Stage::Closed;
        self.changed.notify_all();
    }

    /// Ends the run without a report: nobody will wait any more.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        state.stage = Stage::Closed;
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        threads.iter().for_each(Thread::unpark);
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
