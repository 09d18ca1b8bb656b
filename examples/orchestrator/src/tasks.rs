//! The tasks: a bounded number in memory, a few at a time at work. Each runs in a span, `task`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tracing::Instrument;

#[derive(Clone)]
pub(crate) struct Tasks {
    kept: Arc<Mutex<Kept>>,
    at_work: Arc<Semaphore>,
}

#[derive(Default)]
struct Kept {
    last_id: u64,
    tasks: BTreeMap<u64, watch::Receiver<Task>>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Task {
    id: u64,
    kind: Kind,
    #[serde(flatten)]
    state: State,
}

#[derive(Clone, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum State {
    Queued,
    Running,
    Succeeded { result: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submission {
    kind: Kind,
    input: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    WordCount,
    /// Adler-32.
    Checksum,
    /// Sleeps as many milliseconds as the input says.
    Wait,
}

/// Why a task was not taken.
pub(crate) enum Refused {
    Input(String),
    Full,
}

impl Default for Tasks {
    fn default() -> Self {
        Self { kept: Arc::default(), at_work: Arc::new(Semaphore::new(AT_WORK)) }
    }
}

impl Tasks {
    pub(crate) fn submit(&self, submission: Submission) -> Result<Task, Refused> {
        let work = Work::new(submission)?;
        let mut kept = self.kept();
        if kept.tasks.len() >= KEPT {
            let oldest =
                kept.tasks.iter().find(|(_, task)| task.borrow().is_finished()).map(|(id, _)| *id);
            kept.tasks.remove(&oldest.ok_or(Refused::Full)?);
        }
        kept.last_id += 1;
        let task = Task { id: kept.last_id, kind: work.kind(), state: State::Queued };
        let (progress, receiver) = watch::channel(task.clone());
        kept.tasks.insert(task.id, receiver);
        tokio::spawn(run(Arc::clone(&self.at_work), work, progress));
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

impl Task {
    fn is_finished(&self) -> bool {
        matches!(self.state, State::Succeeded { .. })
    }
}

async fn run(at_work: Arc<Semaphore>, work: Work, progress: watch::Sender<Task>) {
    // It is never closed.
    let Ok(_permit) = at_work.acquire().await else {
        return;
    };
    progress.send_modify(|task| task.state = State::Running);
    // What waits for a permit is not work: the span, and so its duration, starts here.
    let span = tracing::info_span!("task", id = progress.borrow().id, kind = ?work.kind());
    let result = work.done().instrument(span).await;
    progress.send_modify(|task| task.state = State::Succeeded { result });
}

/// A submission that can be carried out.
enum Work {
    WordCount(String),
    Checksum(String),
    Wait(Duration),
}

impl Work {
    fn new(Submission { kind, input }: Submission) -> Result<Self, Refused> {
        Ok(match kind {
            Kind::WordCount => Self::WordCount(input),
            Kind::Checksum => Self::Checksum(input),
            Kind::Wait => {
                let milliseconds =
                    input.parse().ok().filter(|milliseconds| *milliseconds <= LONGEST_WAIT);
                Self::Wait(Duration::from_millis(milliseconds.ok_or_else(|| {
                    Refused::Input(format!(
                        "input: expected milliseconds up to {LONGEST_WAIT}, as a string"
                    ))
                })?))
            }
        })
    }

    fn kind(&self) -> Kind {
        match self {
            Self::WordCount(_) => Kind::WordCount,
            Self::Checksum(_) => Kind::Checksum,
            Self::Wait(_) => Kind::Wait,
        }
    }

    async fn done(&self) -> String {
        match self {
            Self::WordCount(text) => text.split_whitespace().count().to_string(),
            Self::Checksum(text) => format!("{:08x}", adler32(text.as_bytes())),
            Self::Wait(time) => {
                tokio::time::sleep(*time).await;
                format!("waited {time:?}")
            }
        }
    }
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

const AT_WORK: usize = 4;
const KEPT: usize = 1_000;
const LONGEST_WAIT: u64 = 60_000;

#[cfg(test)]
mod tests {
    #[test]
    fn adler32_is_that_of_rfc_1950() {
        assert_eq!(super::adler32(b"Wikipedia"), 0x11E6_0398);
    }
}
