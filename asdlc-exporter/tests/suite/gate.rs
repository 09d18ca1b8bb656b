//! A gate that blocks a callback or a source until the test opens it.

use opentelemetry::metrics::Meter;
use std::{
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    is_open: bool,
    entered: usize,
    admitted: usize,
}

impl Gate {
    /// A closed gate in the callback of a new instrument.
    pub(crate) fn in_callback(meter: &Meter) -> Self {
        let gate = Self::default();
        let inside = gate.clone();
        meter
            .u64_observable_gauge("gated")
            .with_callback(move |observer| {
                inside.pass();
                observer.observe(1, &[]);
            })
            .build();
        gate
    }

    pub(crate) fn pass(&self) {
        let Self(inner) = self;
        let mut state = inner.0.lock().expect("no panic");
        state.entered += 1;
        inner.1.notify_all();
        let me = state.entered;
        let _open = wait(&inner.1, state, |state| state.is_open || me <= state.admitted);
    }

    /// Waits until the callback runs for the `n`th time.
    pub(crate) fn wait_until_entered(&self, n: usize) {
        let Self(inner) = self;
        let state = inner.0.lock().expect("no panic");
        assert!(
            wait(&inner.1, state, |state| state.entered >= n).entered >= n,
            "the gate was not entered"
        );
    }

    pub(crate) fn entered(&self) -> usize {
        self.0.0.lock().expect("no panic").entered
    }

    /// Lets only the first `n` callers pass.
    pub(crate) fn admit(&self, n: usize) {
        let Self(inner) = self;
        inner.0.lock().expect("no panic").admitted = n;
        inner.1.notify_all();
    }

    pub(crate) fn open(&self) {
        let Self(inner) = self;
        inner.0.lock().expect("no panic").is_open = true;
        inner.1.notify_all();
    }
}

/// Waits with a timeout, so that a test fails instead of hanging.
fn wait<'a>(
    changed: &Condvar,
    state: std::sync::MutexGuard<'a, GateState>,
    is_met: impl Fn(&GateState) -> bool,
) -> std::sync::MutexGuard<'a, GateState> {
    let (state, _) = changed
        .wait_timeout_while(state, Duration::from_secs(20), |state| !is_met(state))
        .expect("no panic");
    state
}
