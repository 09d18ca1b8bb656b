//! The results of a round of checks. They decide whether the service is ready.

use std::{fmt, time::Duration};

/// The results of all dependencies, in their order.
pub(super) struct Report {
    pub(super) dependencies: Vec<DependencyReport>,
}

/// The result of one check, as the response shows it.
pub(super) struct DependencyReport {
    pub(super) name: String,
    pub(super) critical: bool,
    /// Why the dependency is not healthy; `None` if it is.
    pub(super) reason: Option<&'static str>,
    pub(super) latency: Duration,
}

impl Report {
    /// Whether all critical dependencies are healthy.
    pub(super) fn is_ready(&self) -> bool {
        self.dependencies.iter().all(|found| found.reason.is_none() || !found.critical)
    }

    /// Whether all dependencies are healthy.
    pub(super) fn is_fully_healthy(&self) -> bool {
        self.dependencies.iter().all(|found| found.reason.is_none())
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").field("is_ready", &self.is_ready()).finish_non_exhaustive()
    }
}
