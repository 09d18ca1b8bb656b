//! All dependencies. They are checked together, once in a cache period.

use super::{
    dependency::Dependency,
    error::{HealthError, HealthErrorKind},
    report::Report,
};
use crate::single_flight::{Completion, Joined, SingleFlight, Waiter};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// Decides whether the service is ready, by checking its dependencies.
///
/// ```
/// use asdlc_exporter::health::{Dependency, HttpCheck, Readiness};
///
/// # fn main() -> Result<(), asdlc_exporter::health::HealthError> {
/// let readiness = Readiness::builder()
///     .with_dependency(Dependency::critical("event_store", HttpCheck::new("http://127.0.0.1:9200/")?))
///     .build()?;
/// let service = readiness.service();
/// # Ok(()) }
/// ```
///
/// A request starts the checks of all dependencies at the same time, each with its own timeout. So the
/// response arrives within a second. Requests that arrive during the checks wait for the same checks.
/// After the checks, the result is used for the [cache period](ReadinessBuilder::with_cache_period): the
/// number of requests does not change how often a dependency is checked. Without requests nothing is
/// checked.
///
/// Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub struct Readiness {
    checker: Arc<Checker>,
}

#[derive(Debug)]
struct Checker {
    dependencies: Vec<Dependency>,
    period: Duration,
    draining: AtomicBool,
    /// The last report, and the end of its cache period.
    cached: Mutex<Option<(Instant, Arc<Report>)>>,
    rounds: SingleFlight<Arc<Report>>,
}

impl Readiness {
    /// Creates a builder without dependencies. Without any, the service is always ready.
    pub fn builder() -> ReadinessBuilder {
        ReadinessBuilder { dependencies: Vec::new(), period: Duration::from_secs(1) }
    }

    /// Makes the service not ready from now on, whatever the state of its dependencies. Call it on
    /// shutdown, before the server stops listening. Liveness does not change.
    pub fn drain(&self) {
        self.checker.draining.store(true, Ordering::Relaxed);
    }

    /// Whether [`drain`](Self::drain) was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.checker.draining.load(Ordering::Relaxed)
    }

    /// The report of this period. `None` when the runtime stops before there is one.
    pub(super) async fn report(&self) -> Option<Arc<Report>> {
        match self.current() {
            Ok(report) => Some(report),
            Err(waiter) => waiter.wait().await,
        }
    }

    /// The cached report, or a waiter for the next one.
    fn current(&self) -> Result<Arc<Report>, Waiter<Arc<Report>>> {
        // The lock is held until the round is joined. Otherwise a round could store its report and end
        // between the check of the cache and the join, and this would start a second round.
        let cached = self.checker.cached();
        let now = Instant::now();
        if let Some((_, report)) = cached.as_ref().filter(|(end, _)| now < *end) {
            return Ok(Arc::clone(report));
        }
        match self.checker.rounds.join() {
            Joined::Running(waiter) => Err(waiter),
            Joined::Started(completion, waiter) => {
                // In a separate task: a client that disconnects does not cancel it for the others.
                tokio::spawn(Arc::clone(&self.checker).run_round(completion));
                Err(waiter)
            }
        }
    }
}

impl Checker {
    async fn run_round(self: Arc<Self>, completion: Completion<Arc<Report>>) {
        let running: Vec<_> = self.dependencies.iter().map(Dependency::start_check).collect();
        let mut dependencies = Vec::with_capacity(running.len());
        for check in running {
            dependencies.push(check.report().await);
        }
        let report = Arc::new(Report { dependencies });
        *self.cached() = Some((Instant::now() + self.period, Arc::clone(&report)));
        completion.complete(report);
    }

    fn cached(&self) -> MutexGuard<'_, Option<(Instant, Arc<Report>)>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Builder of [`Readiness`].
#[derive(Debug)]
#[must_use = "a builder does nothing before `build`"]
pub struct ReadinessBuilder {
    dependencies: Vec<Dependency>,
    period: Duration,
}

impl ReadinessBuilder {
    /// Adds a dependency. The response lists them in this order.
    pub fn with_dependency(mut self, dependency: Dependency) -> Self {
        self.dependencies.push(dependency);
        self
    }

    /// Sets for how long a report is used after its checks have ended: 1 s to 1 min. Default: 1 s.
    pub fn with_cache_period(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// Validates the settings. No dependency is checked yet.
    ///
    /// # Errors
    ///
    /// When the name of a dependency is empty, is longer than 64 bytes, has characters other than
    /// ASCII letters, digits and `_-.:`, or is used twice, when a timeout is not from 1 ms to 900 ms,
    /// and when the cache period is not from 1 s to 1 min.
    pub fn build(self) -> Result<Readiness, HealthError> {
        let Self { dependencies, period } = self;
        for (at, dependency) in dependencies.iter().enumerate() {
            dependency.validate()?;
            if dependencies[..at].iter().any(|other| other.name() == dependency.name()) {
                return Err(HealthErrorKind::DuplicateName(dependency.name().to_owned()).into());
            }
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&period) {
            return Err(HealthErrorKind::CachePeriod(period).into());
        }
        let checker = Checker {
            dependencies,
            period,
            draining: AtomicBool::new(false),
            cached: Mutex::default(),
            rounds: SingleFlight::default(),
        };
        Ok(Readiness { checker: Arc::new(checker) })
    }
}
