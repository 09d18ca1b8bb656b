//! The sources of one exporter. At most one run of them is in progress.

use crate::collect::{
    source::{NamedSource, Source},
    source_run::SourceRun,
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

#[derive(Default)]
pub(crate) struct Sources {
    all: Mutex<Vec<Arc<NamedSource>>>,
    last_run: Mutex<Option<Arc<SourceRun>>>,
}

impl Sources {
    pub(crate) fn add(&self, name: String, source: impl Source) {
        let source = Arc::new(NamedSource::new(name, source));
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// The run that a scrape has to wait for if it arrived before `since`. `None` if there is no source.
    ///
    /// If a run is in progress, this returns it even if it began before `since`. Then the caller waits for
    /// it and calls again. So runs do not overlap, and each has its full time limit.
    pub(crate) fn run(&self, since: Instant, timeout: Duration) -> Option<Arc<SourceRun>> {
        let sources = self.all.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if sources.is_empty() {
            return None;
        }
        let mut last_run = self.last_run();
        if let Some(run) = last_run.as_ref().filter(|run| !run.is_closed() || run.began >= since) {
            return Some(Arc::clone(run));
        }
        let run = Arc::new(SourceRun::new(sources, timeout));
        *last_run = Some(Arc::clone(&run));
        drop(last_run);
        run.start();
        Some(run)
    }

    fn last_run(&self) -> MutexGuard<'_, Option<Arc<SourceRun>>> {
        self.last_run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        if let Some(run) = self.last_run().take() {
            run.abandon();
        }
    }
}
