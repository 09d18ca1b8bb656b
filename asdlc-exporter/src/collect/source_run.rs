//! One run of all sources, and the scrapes that wait for it.

use crate::{
    catch_panic::catch_panic,
    collect::source::{NamedSource, SourceOutcome},
};
use std::{
    mem,
    pin::pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// Runs all sources at the same time, each on its own thread, until they have ended or are late.
///
/// The time limit comes from the exporter: no client can shorten it. A waiter may stop waiting at any
/// time, without an effect on the sources or on other waiters.
pub(crate) struct SourceRun {
    pub(crate) began: Instant,
    /// When the sources that still run become late. `None` if this is too far in the future for an
    /// `Instant`.
    deadline: Option<Instant>,
    sources: Vec<Arc<NamedSource>>,
    progress: Mutex<RunProgress>,
    changed: Condvar,
}

struct RunProgress {
    stage: RunStage,
    /// One for each source, `None` while it runs.
    outcomes: Vec<Option<SourceOutcome>>,
    /// The threads that the sources run on.
    threads: Vec<Thread>,
    /// How often [`SourceRun::wake_waiters`] was called.
    wakeups: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RunStage {
    Open,
    /// All outcomes are final. One of the waiters reports them.
    Closing,
    Closed,
}

impl SourceRun {
    pub(crate) fn new(sources: Vec<Arc<NamedSource>>, timeout: Duration) -> Self {
        let began = Instant::now();
        let progress = RunProgress {
            stage: RunStage::Open,
            outcomes: vec![None; sources.len()],
            threads: Vec::new(),
            wakeups: 0,
        };
        Self {
            began,
            deadline: began.checked_add(timeout),
            sources,
            progress: Mutex::new(progress),
            changed: Condvar::new(),
        }
    }

    /// Starts a thread for each source. A source whose thread of an earlier run still runs is not
    /// started: it is late immediately.
    pub(crate) fn start(self: &Arc<Self>) {
        for (at, source) in self.sources.iter().enumerate() {
            if !source.try_start() {
                self.set_outcome(at, SourceOutcome::Late);
                continue;
            }
            let (run, started) = (Arc::clone(self), Arc::clone(source));
            let refresh = move || {
                run.progress().threads.push(thread::current());
                let outcome = catch_panic(|| run.drive(started.refresh()));
                started.set_stopped();
                run.set_outcome(at, outcome.unwrap_or(SourceOutcome::Panicked));
            };
            if thread::Builder::new().name("metrics-source".into()).spawn(refresh).is_err() {
                source.set_stopped();
                self.set_outcome(at, SourceOutcome::NoThread);
            }
        }
    }

    /// Polls the future on this thread until it is ready or late.
    fn drive(&self, future: impl Future<Output = ()>) -> SourceOutcome {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(()) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return SourceOutcome::Fresh;
            }
            let Some(time_left) = self.time_left() else { return SourceOutcome::Late };
            thread::park_timeout(time_left);
        }
    }

    /// How long a source may still run. `None` if it has to stop.
    fn time_left(&self) -> Option<Duration> {
        if self.progress().stage != RunStage::Open {
            return None;
        }
        let left =
            self.deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
        (!left.is_zero()).then_some(left)
    }

    /// Stores the outcome of the source with this index. After the deadline every outcome is `Late`, even
    /// if no waiter was there to close the run at the deadline.
    fn set_outcome(&self, source: usize, outcome: SourceOutcome) {
        let is_late = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
        let outcome = if is_late { SourceOutcome::Late } else { outcome };
        let mut progress = self.progress();
        if progress.stage == RunStage::Open {
            progress.outcomes[source] = Some(outcome);
        }
        drop(progress);
        self.changed.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.progress().stage == RunStage::Closed
    }

    /// Makes all waiters return from [`wait`](Self::wait), so that they compute a new `until`.
    pub(crate) fn wake_waiters(&self) {
        self.progress().wakeups += 1;
        self.changed.notify_all();
    }

    /// How often [`wake_waiters`](Self::wake_waiters) was called. Pass it to [`wait`](Self::wait).
    pub(crate) fn wakeups(&self) -> u64 {
        self.progress().wakeups
    }

    /// Waits until the run is closed: all sources have ended or are late, and the outcomes were
    /// reported. Returns `true` then. Returns `false` earlier in two cases: at `until`, and when
    /// [`wakeups`](Self::wakeups) is not `wakeups` any more.
    ///
    /// One of the waiters reports. For each source, it calls
    /// [`Source::missed`](crate::Source::missed) if the values are not fresh. Then it calls
    /// `report` with the name of the source and whether the values are fresh. It holds no lock.
    pub(crate) fn wait(
        &self,
        until: Option<Instant>,
        wakeups: u64,
        report: impl FnMut(&str, bool),
    ) -> bool {
        let mut progress = self.progress();
        loop {
            let now = Instant::now();
            let is_late = self.deadline.is_some_and(|deadline| deadline <= now);
            match progress.stage {
                RunStage::Closed => return true,
                RunStage::Open if is_late || !progress.outcomes.contains(&None) => {
                    self.close(progress, report);
                    return true;
                }
                RunStage::Open | RunStage::Closing => {}
            }
            if progress.wakeups != wakeups || until.is_some_and(|until| until <= now) {
                return false;
            }
            let deadline = self.deadline.filter(|_| progress.stage == RunStage::Open);
            progress = match until.into_iter().chain(deadline).min() {
                None => self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let timeout = at.saturating_duration_since(now);
                    let woken = self.changed.wait_timeout(progress, timeout);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn close(&self, mut progress: MutexGuard<'_, RunProgress>, mut report: impl FnMut(&str, bool)) {
        progress.stage = RunStage::Closing;
        let outcomes = mem::take(&mut progress.outcomes);
        let threads = mem::take(&mut progress.threads);
        drop(progress);
        threads.iter().for_each(Thread::unpark);
        for (source, outcome) in self.sources.iter().zip(outcomes) {
            let outcome = outcome.unwrap_or(SourceOutcome::Late);
            source.report(outcome);
            let _ = catch_panic(|| report(source.name(), outcome == SourceOutcome::Fresh));
        }
        self.progress().stage = RunStage::Closed;
        self.changed.notify_all();
    }

    /// Closes the run without a report, when its exporter is dropped.
    pub(crate) fn abandon(&self) {
        let mut progress = self.progress();
        progress.stage = RunStage::Closed;
        let threads = mem::take(&mut progress.threads);
        drop(progress);
        threads.iter().for_each(Thread::unpark);
        self.changed.notify_all();
    }

    fn progress(&self) -> MutexGuard<'_, RunProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
