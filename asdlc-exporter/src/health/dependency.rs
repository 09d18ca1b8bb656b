//! One dependency, and one check of it.

use super::{
    check::{Check, CheckError},
    error::{HealthError, HealthErrorKind},
    report::DependencyReport,
};
use crate::{names::is_valid_name, redact};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

/// Something that the service needs, and the check that finds out whether it is available.
///
/// ```
/// use asdlc_exporter::health::{Dependency, TcpCheck};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), asdlc_exporter::health::HealthError> {
/// let database = Dependency::critical("database", TcpCheck::new("127.0.0.1:5432")?)
///     .with_timeout(Duration::from_millis(200));
/// # Ok(()) }
/// ```
#[must_use = "a dependency is not checked before it is added to `Readiness`"]
pub struct Dependency {
    name: String,
    critical: bool,
    timeout: Duration,
    check: Arc<dyn Check>,
    /// Whether the task of the last check still runs. A check that blocks its thread runs longer
    /// than its timeout.
    is_running: Arc<AtomicBool>,
    /// The state that was logged last.
    logged_healthy: AtomicBool,
}

impl Dependency {
    /// Creates a critical dependency: while it is not healthy, the service is not ready.
    pub fn critical(name: impl Into<String>, check: impl Check) -> Self {
        Self {
            name: name.into(),
            critical: true,
            timeout: Duration::from_millis(500),
            check: Arc::new(check),
            is_running: Arc::new(AtomicBool::new(false)),
            logged_healthy: AtomicBool::new(true),
        }
    }

    /// Creates an optional dependency: it is in the response, but does not affect whether the service is
    /// ready.
    pub fn optional(name: impl Into<String>, check: impl Check) -> Self {
        Self { critical: false, ..Self::critical(name, check) }
    }

    /// Sets the timeout of a check: 1 ms to 900 ms. Default: 500 ms.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn validate(&self) -> Result<(), HealthError> {
        if !is_valid_name(&self.name) {
            return Err(HealthErrorKind::Name(self.name.clone()).into());
        }
        // The default timeout of Kubernetes probes is 1 s. The response must arrive earlier.
        if !(Duration::from_millis(1)..=Duration::from_millis(900)).contains(&self.timeout) {
            return Err(HealthErrorKind::Timeout(self.name.clone(), self.timeout).into());
        }
        Ok(())
    }

    /// Starts a check, unless the last one still runs.
    pub(super) fn start_check(&self) -> RunningCheck<'_> {
        let deadline = Instant::now() + self.timeout;
        if self.is_running.swap(true, Ordering::AcqRel) {
            return RunningCheck { dependency: self, deadline, task: None };
        }
        let guard = RunningGuard(Arc::clone(&self.is_running));
        let (check, limit) = (Arc::clone(&self.check), self.timeout);
        let task = tokio::spawn(async move {
            let _guard = guard;
            let start = Instant::now();
            let outcome = match timeout(limit, check.check()).await {
                Ok(Ok(())) => CheckOutcome::Healthy,
                Ok(Err(error)) => CheckOutcome::Failed(error),
                Err(_) => CheckOutcome::Timeout,
            };
            (outcome, start.elapsed())
        });
        RunningCheck { dependency: self, deadline, task: Some(task) }
    }

    /// Logs one line when the dependency becomes unhealthy, and one when it is healthy again.
    fn log_change(&self, outcome: &CheckOutcome) {
        let is_healthy = matches!(outcome, CheckOutcome::Healthy);
        if self.logged_healthy.swap(is_healthy, Ordering::Relaxed) == is_healthy {
            return;
        }
        let name = &self.name;
        match outcome {
            CheckOutcome::Healthy => tracing::info!("dependency {name:?} is healthy again"),
            CheckOutcome::Failed(error) => {
                let error = redact::error(&**error);
                tracing::warn!("dependency {name:?} is not healthy: {error}");
            }
            CheckOutcome::Timeout => {
                let limit = self.timeout;
                tracing::warn!("dependency {name:?} is not healthy: no response within {limit:?}");
            }
            CheckOutcome::Panicked => {
                tracing::warn!("dependency {name:?} is not healthy: its check panicked");
            }
        }
    }
}

impl fmt::Debug for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, critical, timeout, check: _, is_running: _, logged_healthy } = self;
        f.debug_struct("Dependency")
            .field("name", name)
            .field("critical", critical)
            .field("timeout", timeout)
            .field("healthy", logged_healthy)
            .finish_non_exhaustive()
    }
}

/// A check that runs in its own task.
pub(super) struct RunningCheck<'a> {
    dependency: &'a Dependency,
    deadline: Instant,
    /// `None` when the task of an earlier check still runs.
    task: Option<JoinHandle<(CheckOutcome, Duration)>>,
}

impl RunningCheck<'_> {
    /// Waits until the check ends, or until its deadline.
    pub(super) async fn report(self) -> DependencyReport {
        let Self { dependency, deadline, task } = self;
        let limit = dependency.timeout;
        let (outcome, latency) = match task {
            None => (CheckOutcome::Timeout, limit),
            Some(mut task) => match timeout_at(deadline, &mut task).await {
                Ok(Ok(ended)) => ended,
                Ok(Err(error)) if error.is_panic() => {
                    (CheckOutcome::Panicked, limit.saturating_sub(deadline - Instant::now()))
                }
                Ok(Err(error)) => (CheckOutcome::Failed(error.into()), limit),
                // The task has the same timeout, but it cannot end while the check blocks its thread.
                Err(_) => (CheckOutcome::Timeout, limit),
            },
        };
        dependency.log_change(&outcome);
        DependencyReport {
            name: dependency.name.clone(),
            critical: dependency.critical,
            reason: outcome.reason(),
            latency,
        }
    }
}

enum CheckOutcome {
    Healthy,
    Failed(CheckError),
    Timeout,
    Panicked,
}

impl CheckOutcome {
    /// The field `reason` of the response.
    fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Healthy => None,
            Self::Failed(_) => Some("failed"),
            Self::Timeout => Some("timeout"),
            Self::Panicked => Some("panicked"),
        }
    }
}

/// Dropped at the end of the task, also when the check panics.
struct RunningGuard(Arc<AtomicBool>);

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
