//! The state of an enum as a gauge.

use crate::meter_source::MeterSource;
use std::{
    fmt,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// A gauge with the current state of an enum as a number.
///
/// ```
/// use asdlc_exporter::{Exporter, StateGauge};
///
/// #[derive(Clone, Copy)]
/// enum DaemonState {
///     Monitoring = 1,
///     Paused = 2,
/// }
///
/// impl From<DaemonState> for u64 {
///     fn from(state: DaemonState) -> u64 {
///         state as u64
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("daemon").build()?;
/// let state = StateGauge::new(
///     &exporter.meter(),
///     "daemon_state",
///     "1 monitoring, 2 paused.",
///     DaemonState::Monitoring,
/// );
/// state.set(DaemonState::Paused);
/// assert!(exporter.render()?.contains("daemon_state{service=\"daemon\"} 2\n"));
/// # Ok(()) }
/// ```
///
/// [`set`](Self::set) is one atomic store. The series exists from the start, with the state that was
/// given to `new`. It keeps the last state after the gauge is dropped. Clones set the same gauge.
pub struct StateGauge<S> {
    state: Arc<AtomicU64>,
    states: PhantomData<fn(S)>,
}

impl<S: Into<u64>> StateGauge<S> {
    /// Creates the gauge. `help` should say what the numbers mean.
    pub fn new<K>(
        meter: &(impl MeterSource<K> + ?Sized),
        name: impl Into<String>,
        help: impl Into<String>,
        state: S,
    ) -> Self {
        let state = Arc::new(AtomicU64::new(state.into()));
        let observed = Arc::clone(&state);
        meter
            .to_meter()
            .u64_observable_gauge(name.into())
            .with_description(help.into())
            .with_callback(move |observer| observer.observe(observed.load(Ordering::Relaxed), &[]))
            .build();
        Self { state, states: PhantomData }
    }

    /// Changes the state. The next scrape serves it.
    pub fn set(&self, state: S) {
        self.state.store(state.into(), Ordering::Relaxed);
    }
}

impl<S> Clone for StateGauge<S> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), states: PhantomData }
    }
}

impl<S> fmt::Debug for StateGauge<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateGauge").field("state", &self.state).finish_non_exhaustive()
    }
}
