//! All dependencies, looked at together, once in a period.

use super::{
    dependency::{Dependency, Finding},
    error::{HealthError, HealthErrorKind},
    service::ReadinessService,
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// Whether the service can do its work now.
///
/// ```
/// use asdlc_exporter::health::{Dependency, HttpCheck, Readiness};
///
/// # fn main() -> Result<(), asdlc_exporter::health::HealthError> {
/// let readiness = Readiness::builder()
///     .with(Dependency::critical("event_store", HttpCheck::new("http://127.0.0.1:9200/")?))
///     .build()?;
/// let service = readiness.service();
/// # Ok(()) }
/// ```
///
/// A request looks at all dependencies concurrently, each within its own timeout, so that the
/// answer comes within a second. Requests that come meanwhile wait for the same answer, and it
/// serves all requests of the [period](ReadinessBuilder::with_cache_period) after it: however many
/// ask, each dependency is looked at once in a period. Without requests nothing is looked at.
///
/// Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub struct Readiness {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dependencies: Vec<Dependency>,
    period: Duration,
    draining: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// An answer, and until when it is good.
    last: Option<(Instant, Arc<Report>)>,
    /// The answer that is being found.
    next: Option<watch::Receiver<Option<Arc<Report>>>>,
}

/// What a look at all dependencies found.
pub(super) struct Report {
    pub(super) findings: Vec<Finding>,
}

impl Readiness {
    /// Starts without dependencies: such a service is always ready.
    pub fn builder() -> ReadinessBuilder {
        ReadinessBuilder { dependencies: Vec::new(), period: Duration::from_secs(1) }
    }

    /// The service that answers whether the service is ready.
    #[must_use]
    pub fn service(&self) -> ReadinessService {
        ReadinessService::new(self.clone())
    }

    /// From now on the service is not ready, whatever its dependencies are: to be called when the
    /// process is told to stop, before it stops to listen. Liveness stays as it is.
    pub fn drain(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
    }

    /// Whether [`drain`](Self::drain) was called.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::Relaxed)
    }

    /// The report of this period; `None` when the runtime stops before there is one.
    pub(super) async fn report(&self) -> Option<Arc<Report>> {
        let mut next = match self.current() {
            Ok(report) => return Some(report),
            Err(next) => next,
        };
        next.wait_for(Option::is_some).await.ok().and_then(|report| report.clone())
    }

    /// The report, if there is one, or where it will be.
    fn current(&self) -> Result<Arc<Report>, watch::Receiver<Option<Arc<Report>>>> {
        let mut state = self.inner.state();
        if let Some((until, report)) = &state.last
            && Instant::now() < *until
        {
            return Ok(Arc::clone(report));
        }
        // Without a sender its runtime is gone, and no answer will come.
        if let Some(next) = state.next.as_ref().filter(|next| next.has_changed().is_ok()) {
            return Err(next.clone());
        }
        let (send, next) = watch::channel(None);
        state.next = Some(next.clone());
        // In a task of its own: a client that leaves costs the others nothing.
        tokio::spawn(Arc::clone(&self.inner).look(send));
        Err(next)
    }
}

impl Inner {
    async fn look(self: Arc<Self>, send: watch::Sender<Option<Arc<Report>>>) {
        let looks: Vec<_> = self.dependencies.iter().map(Dependency::look).collect();
        let mut findings = Vec::with_capacity(looks.len());
        for look in looks {
            findings.push(look.end().await);
        }
        let report = Arc::new(Report { findings });
        let mut state = self.state();
        state.last = Some((Instant::now() + self.period, Arc::clone(&report)));
        state.next = None;
        drop(state);
        send.send_replace(Some(report));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Report {
    /// Whether everything that is critical is healthy.
    pub(super) fn is_ready(&self) -> bool {
        self.findings.iter().all(|finding| finding.reason.is_none() || !finding.critical)
    }

    /// Whether everything is healthy.
    pub(super) fn is_whole(&self) -> bool {
        self.findings.iter().all(|finding| finding.reason.is_none())
    }
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report").field("is_ready", &self.is_ready()).finish_non_exhaustive()
    }
}

/// Settings of [`Readiness`].
#[derive(Debug)]
#[must_use = "there is a service once it is built"]
pub struct ReadinessBuilder {
    dependencies: Vec<Dependency>,
    period: Duration,
}

impl ReadinessBuilder {
    /// Adds a dependency; the answer lists them in this order.
    pub fn with(mut self, dependency: Dependency) -> Self {
        self.dependencies.push(dependency);
        self
    }

    /// How long an answer is good, from the moment it is found, 1 s to 1 min. Default: 1 s.
    pub fn with_cache_period(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// Checks the settings; no dependency is looked at yet.
    ///
    /// # Errors
    ///
    /// When the name of a dependency is empty, longer than 64 bytes, has characters other than
    /// ASCII letters, digits and `_-.:`, or is given twice, when a timeout is not from 1 ms to
    /// 900 ms, and when the cache period is not from 1 s to 1 min.
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
        let (draining, state) = (AtomicBool::new(false), Mutex::default());
        Ok(Readiness { inner: Arc::new(Inner { dependencies, period, draining, state }) })
    }
}
