//! A task that measures how long it waits for a worker of its runtime.

use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// Spawns the probes of one runtime. There is at most one that has not run.
#[derive(Default)]
pub(super) struct Probe {
    state: Mutex<ProbeState>,
    ended: Condvar,
}

#[derive(Default)]
struct ProbeState {
    /// When the task was spawned that has not run yet.
    waiting_since: Option<Instant>,
    /// How long the last task waited. If the task before it was late, the longer wait of both.
    delay: Option<Duration>,
    /// Whether a scrape has stopped waiting for the task. Its delay is served by the next scrape.
    is_late: bool,
    /// The runtime dropped a task that had not run, which a runtime does only when it shuts down.
    is_shut_down: bool,
    /// The tasks of the runtime before the last task was spawned, until a callback has observed them.
    alive_tasks: Option<usize>,
}

impl Probe {
    /// Spawns a task, unless one still waits. Returns whether it did.
    pub(super) fn start(self: &Arc<Self>, runtime: &Handle) -> bool {
        let mut state = self.state();
        if state.is_shut_down {
            return false;
        }
        // The runtime keeps a task for a moment after it has run, so they are counted before.
        state.alive_tasks = Some(state.count_tasks(runtime));
        if state.waiting_since.is_some() {
            return false;
        }
        if !mem::take(&mut state.is_late) {
            state.delay = None;
        }
        state.waiting_since = Some(Instant::now());
        drop(state);
        // Without the lock, because a runtime that is shut down drops the task at once.
        let task = ProbeTask(Some(Arc::clone(self)));
        drop(runtime.spawn(async move { task.run() }));
        true
    }

    /// Waits until the task has run, or the runtime is shut down, or until the deadline.
    pub(super) fn wait(&self, deadline: Instant) {
        let mut state = self.state();
        while state.waiting_since.is_some() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.is_late = true;
                return;
            }
            let woken = self.ended.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How long the last task waited, or has waited so far. `None` if no task was spawned.
    pub(super) fn delay(&self) -> Option<Duration> {
        let state = self.state();
        state.delay.max(state.waiting_since.map(|since| since.elapsed()))
    }

    /// The tasks of the runtime without the probe's own.
    pub(super) fn alive_tasks(&self, runtime: &Handle) -> usize {
        let mut state = self.state();
        let counted = state.alive_tasks.take();
        counted.unwrap_or_else(|| state.count_tasks(runtime))
    }

    pub(super) fn is_shut_down(&self) -> bool {
        self.state().is_shut_down
    }

    fn end(&self, has_run: bool) {
        let mut state = self.state();
        let waited = state.waiting_since.take().map(|since| since.elapsed());
        match has_run {
            true => state.delay = state.delay.max(waited),
            false => state.is_shut_down = true,
        }
        drop(state);
        self.ended.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, ProbeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProbeState {
    fn count_tasks(&self, runtime: &Handle) -> usize {
        let own = usize::from(self.waiting_since.is_some());
        runtime.metrics().num_alive_tasks().saturating_sub(own)
    }
}

/// `None` once it has run.
struct ProbeTask(Option<Arc<Probe>>);

impl ProbeTask {
    fn run(mut self) {
        if let Some(probe) = self.0.take() {
            probe.end(true);
        }
    }
}

impl Drop for ProbeTask {
    fn drop(&mut self) {
        if let Some(probe) = self.0.take() {
            probe.end(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Probe;
    use std::{
        sync::Arc,
        thread,
        time::{Duration, Instant},
    };
    use tokio::runtime::{Builder, Handle, Runtime};

    /// A runtime that runs tasks only in `block_on`.
    fn runtime() -> (Runtime, Handle) {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let handle = runtime.handle().clone();
        (runtime, handle)
    }

    const SOON: Duration = Duration::from_millis(5);

    //
    #[test]
    fn the_delay_of_a_late_task_is_kept_for_the_next_scrape_only() {
        let (runtime, handle) = runtime();
        let probe = Arc::new(Probe::default());
        assert_eq!(probe.delay(), None, "before the first task");
        assert!(probe.start(&handle));
        let before = Instant::now();
        probe.wait(before + SOON);
        let waited = before.elapsed();
        assert!(waited >= SOON && probe.delay() >= Some(waited));

        runtime.block_on(tokio::task::yield_now());
        let late = probe.delay();
        assert!(late >= Some(waited), "{late:?}");
        thread::sleep(SOON);
        assert_eq!(probe.delay(), late, "the task has run");

        // The next scrape serves it, also if its own task has run at once.
        assert!(probe.start(&handle));
        runtime.block_on(tokio::task::yield_now());
        probe.wait(Instant::now() + Duration::from_secs(60));
        assert!(probe.delay() >= late);
        // The one after it serves the delay of its own task.
        let before = Instant::now();
        assert!(probe.start(&handle));
        runtime.block_on(tokio::task::yield_now());
        probe.wait(Instant::now() + Duration::from_secs(60));
        assert!(probe.delay() <= Some(before.elapsed()), "{:?}", probe.delay());
    }

    //
    #[test]
    fn at_most_one_task_waits() {
        let (runtime, handle) = runtime();
        let probe = Arc::new(Probe::default());
        assert!(probe.start(&handle));
        for _ in 0..100 {
            assert!(!probe.start(&handle));
        }
        assert_eq!(handle.metrics().num_alive_tasks(), 1);
        assert_eq!(probe.alive_tasks(&handle), 0, "without the probe");
        runtime.block_on(tokio::task::yield_now());
        assert!(probe.start(&handle));
    }

    //
    #[test]
    fn a_runtime_that_is_shut_down_ends_the_wait() {
        let (runtime, handle) = runtime();
        let probe = Arc::new(Probe::default());
        assert!(probe.start(&handle));
        assert!(!probe.is_shut_down());
        drop(runtime);
        probe.wait(Instant::now() + Duration::from_secs(60));
        assert!(probe.is_shut_down());
        assert!(!probe.start(&handle));

        let later = Arc::new(Probe::default());
        assert!(later.start(&handle), "a task was spawned");
        assert!(later.is_shut_down(), "and dropped");
    }
}
