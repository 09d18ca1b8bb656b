//! Tasks in this process: a bounded number in memory, and a few that run at the same time. Each runs in a span `task`.

use super::{Refused, State, Task};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use support::Work;
use tokio::sync::{Semaphore, watch};
use tracing_asdlc_metrics::Metered;

#[derive(Clone)]
pub(crate) struct InProcess {
    /// A random number for this run of the program.
    pub(super) run_id: u64,
    kept: Arc<Mutex<Kept>>,
    running: Arc<Semaphore>,
}

#[derive(Default)]
struct Kept {
    last_id: u64,
    tasks: BTreeMap<u64, watch::Receiver<Task>>,
}

impl Default for InProcess {
    fn default() -> Self {
        let run_id = RandomState::new().hash_one(());
        Self { run_id, kept: Arc::default(), running: Arc::new(Semaphore::new(MAX_RUNNING)) }
    }
}

impl InProcess {
    pub(crate) fn submit(&self, work: Work) -> Result<Task, Refused> {
        let mut kept = self.kept();
        if kept.tasks.len() >= MAX_KEPT {
            let oldest =
                kept.tasks.iter().find(|(_, task)| task.borrow().is_finished()).map(|(id, _)| *id);
            kept.tasks.remove(&oldest.ok_or(Refused::Full)?);
        }
        kept.last_id += 1;
        let task = Task { id: kept.last_id, kind: work.kind, state: State::Queued };
        let (progress, receiver) = watch::channel(task.clone());
        kept.tasks.insert(task.id, receiver);
        tokio::spawn(run(Arc::clone(&self.running), work, progress));
        Ok(task)
    }

    pub(crate) fn list(&self) -> Vec<Task> {
        self.kept().tasks.values().map(|task| task.borrow().clone()).collect()
    }

    pub(crate) fn get(&self, id: u64) -> Option<Task> {
        self.kept().tasks.get(&id).map(|task| task.borrow().clone())
    }

    pub(crate) async fn finished(&self, id: u64) -> Option<Task> {
        let mut task = self.kept().tasks.get(&id)?.clone();
        let finished = task.wait_for(Task::is_finished).await.ok()?;
        Some(finished.clone())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(running: Arc<Semaphore>, work: Work, progress: watch::Sender<Task>) {
    // The semaphore is never closed.
    let Ok(_permit) = running.acquire().await else {
        return;
    };
    progress.send_modify(|task| task.state = State::Running);
    // The span starts here, so its duration does not include the wait for a permit.
    let span = tracing::info_span!("task", id = progress.borrow().id, kind = work.kind.name());
    let result = work.run().metered(span).await;
    progress.send_modify(|task| task.state = result.into());
}

const MAX_RUNNING: usize = 4;
const MAX_KEPT: usize = 1_000;
