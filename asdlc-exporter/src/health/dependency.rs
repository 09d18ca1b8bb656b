//! One dependency and one look at it, whatever its check does.

use super::{
    check::{Check, CheckError},
    error::{HealthError, HealthErrorKind},
};
use crate::redact;
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

/// Something that the service needs, and how to find out whether it is there.
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
#[must_use = "it is looked at once it is given to `Readiness`"]
pub struct Dependency {
    name: String,
    critical: bool,
    timeout: Duration,
    check: Arc<dyn Check>,
    /// Until a look has really ended: no timeout ends one that blocks its thread.
    running: Arc<AtomicBool>,
    /// What the log was told.
    healthy: AtomicBool,
}

impl Dependency {
    /// The service is not ready without it.
    pub fn critical(name: impl Into<String>, check: impl Check) -> Self {
        Self {
            name: name.into(),
            critical: true,
            timeout: Duration::from_millis(500),
            check: Arc::new(check),
            running: Arc::new(AtomicBool::new(false)),
            healthy: AtomicBool::new(true),
        }
    }

    /// It is told, but the service is ready without it.
    pub fn optional(name: impl Into<String>, check: impl Check) -> Self {
        Self { critical: false, ..Self::critical(name, check) }
    }

    /// How long one look may take, 1 ms to 900 ms. Default: 500 ms.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn validate(&self) -> Result<(), HealthError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.:".contains(c);
        if !(1..=64).contains(&self.name.len()) || !self.name.chars().all(allowed) {
            return Err(HealthErrorKind::Name(self.name.clone()).into());
        }
        // The whole answer has to come within a second, the default of Kubernetes.
        if !(Duration::from_millis(1)..=Duration::from_millis(900)).contains(&self.timeout) {
            return Err(HealthErrorKind::Timeout(self.name.clone(), self.timeout).into());
        }
        Ok(())
    }

    /// Begins a look, unless the last one still goes on.
    pub(super) fn look(&self) -> Look<'_> {
        let deadline = Instant::now() + self.timeout;
        if self.running.swap(true, Ordering::AcqRel) {
            return Look { dependency: self, deadline, task: None };
        }
        let running = Running(Arc::clone(&self.running));
        let (check, limit) = (Arc::clone(&self.check), self.timeout);
        let task = tokio::spawn(async move {
            let _running = running;
            let start = Instant::now();
            let ending = match timeout(limit, check.check()).await {
                Ok(Ok(())) => Ending::Healthy,
                Ok(Err(error)) => Ending::Failed(error),
                Err(_) => Ending::Timeout,
            };
            (ending, start.elapsed())
        });
        Look { dependency: self, deadline, task: Some(task) }
    }
}

impl fmt::Debug for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, critical, timeout, check: _, running: _, healthy } = self;
        f.debug_struct("Dependency")
            .field("name", name)
            .field("critical", critical)
            .field("timeout", timeout)
            .field("healthy", healthy)
            .finish_non_exhaustive()
    }
}

/// A look that goes on in its own task.
pub(super) struct Look<'a> {
    dependency: &'a Dependency,
    deadline: Instant,
    task: Option<JoinHandle<(Ending, Duration)>>,
}

impl Look<'_> {
    /// What came of it, at its deadline at the latest.
    pub(super) async fn end(self) -> Finding {
        let Self { dependency, deadline, task } = self;
        let limit = dependency.timeout;
        let (ending, latency) = match task {
            None => (Ending::Timeout, limit),
            Some(mut task) => match timeout_at(deadline, &mut task).await {
                Ok(Ok(seen)) => seen,
                Ok(Err(error)) if error.is_panic() => {
                    (Ending::Panicked, limit.saturating_sub(deadline - Instant::now()))
                }
                Ok(Err(error)) => (Ending::Failed(error.into()), limit),
                // Its own timeout ends it, unless it blocks its thread.
                Err(_) => (Ending::Timeout, limit),
            },
        };
        tell(dependency, &ending);
        Finding {
            name: dependency.name.clone(),
            critical: dependency.critical,
            reason: ending.reason(),
            latency,
        }
    }
}

/// One line when a dependency goes, one when it comes back.
fn tell(dependency: &Dependency, ending: &Ending) {
    let healthy = matches!(ending, Ending::Healthy);
    if dependency.healthy.swap(healthy, Ordering::Relaxed) == healthy {
        return;
    }
    let name = &dependency.name;
    match ending {
        Ending::Healthy => tracing::info!("dependency `{name}` is healthy again"),
        Ending::Failed(error) => {
            let error = redact::error(&**error);
            tracing::warn!("dependency `{name}` is not healthy: {error}");
        }
        Ending::Timeout => {
            let limit = dependency.timeout;
            tracing::warn!("dependency `{name}` is not healthy: no answer within {limit:?}");
        }
        Ending::Panicked => {
            tracing::warn!("dependency `{name}` is not healthy: its check panicked");
        }
    }
}

pub(super) enum Ending {
    Healthy,
    Failed(CheckError),
    Timeout,
    Panicked,
}

impl Ending {
    fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Healthy => None,
            Self::Failed(_) => Some("failed"),
            Self::Timeout => Some("timeout"),
            Self::Panicked => Some("panicked"),
        }
    }
}

/// What the answer tells about a dependency.
pub(super) struct Finding {
    pub(super) name: String,
    pub(super) critical: bool,
    /// Why it is not healthy.
    pub(super) reason: Option<&'static str>,
    pub(super) latency: Duration,
}

struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
