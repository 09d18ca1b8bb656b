//! Tasks, in this process or in Redis.

mod in_process;
mod in_redis;

use serde::Serialize;
use support::{Kind, Work};

pub(crate) use in_process::InProcess;
pub(crate) use in_redis::InRedis;

#[derive(Clone)]
pub(crate) enum Tasks {
    /// This process carries them out, a few at a time.
    InProcess(InProcess),
    /// The workers carry them out. Each task is an event of their stream.
    InRedis(InRedis),
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
    Failed { error: String },
}

/// Why a request about tasks failed.
pub(crate) enum Refused {
    Input(String),
    Full,
    /// Redis does not respond.
    Unavailable,
}

impl Tasks {
    pub(crate) async fn submit(&self, work: Work) -> Result<Task, Refused> {
        work.check().map_err(Refused::Input)?;
        match self {
            Self::InProcess(tasks) => tasks.submit(work),
            Self::InRedis(tasks) => tasks.submit(work).await,
        }
    }

    pub(crate) async fn list(&self) -> Result<Vec<Task>, Refused> {
        match self {
            Self::InProcess(tasks) => Ok(tasks.list()),
            Self::InRedis(tasks) => tasks.list().await,
        }
    }

    pub(crate) async fn get(&self, id: u64) -> Result<Option<Task>, Refused> {
        match self {
            Self::InProcess(tasks) => Ok(tasks.get(id)),
            Self::InRedis(tasks) => tasks.get(id).await,
        }
    }

    pub(crate) async fn finished(&self, id: u64) -> Result<Option<Task>, Refused> {
        match self {
            Self::InProcess(tasks) => Ok(tasks.finished(id).await),
            Self::InRedis(tasks) => tasks.finished(id).await,
        }
    }

    /// The name of the artifact of a task. It has only digits, letters and `-`, so it is a file name and a segment of a URL.
    pub(crate) fn artifact_name(&self, id: u64) -> String {
        match self {
            // After a restart the ids start at 1 again, but a store may still have the artifacts of the previous tasks.
            Self::InProcess(tasks) => format!("{:016x}-{id}", tasks.run_id),
            Self::InRedis(_) => id.to_string(),
        }
    }
}

impl Task {
    fn is_finished(&self) -> bool {
        matches!(self.state, State::Succeeded { .. } | State::Failed { .. })
    }
}

impl From<Result<String, String>> for State {
    fn from(result: Result<String, String>) -> Self {
        match result {
            Ok(result) => Self::Succeeded { result },
            Err(error) => Self::Failed { error },
        }
    }
}
