//! Tasks in Redis: a hash with the state of each task, and an event in the workers' stream.

use super::{Refused, State, Task};
use asdlc_exporter::redis::{InstrumentedConnection, RedisMetrics};
use redis::aio::ConnectionManager;
use redis::{AsyncCommands, RedisError, RedisResult, pipe};
use std::collections::HashMap;
use std::time::Duration;
use support::stream::{LAST_TASK, STREAM, TASKS, connect, task_key};
use support::{Kind, Work};

#[derive(Clone)]
pub(crate) struct InRedis {
    commands: InstrumentedConnection<ConnectionManager>,
}

impl InRedis {
    /// Does not connect yet; the first command does.
    pub(crate) fn open(url: &str, metrics: &RedisMetrics) -> RedisResult<Self> {
        Ok(Self { commands: metrics.instrument(connect(url, Duration::ZERO)?) })
    }

    pub(crate) async fn submit(&self, work: Work) -> Result<Task, Refused> {
        let mut commands = self.commands.clone();
        let id: u64 = commands.incr(LAST_TASK, 1).await?;
        let event =
            serde_json::to_string(&work).map_err(|error| Refused::Input(error.to_string()))?;
        let fields = [("kind", work.kind.name()), ("state", "queued")];
        // One transaction, so that a worker that reads the event finds the task.
        pipe()
            .atomic()
            .hset_multiple(task_key(id), &fields)
            .ignore()
            .lpush(TASKS, id)
            .ignore()
            .ltrim(TASKS, 0, LISTED - 1)
            .ignore()
            .xadd(STREAM, "*", &[("task", id.to_string()), ("work", event)])
            .ignore()
            .exec_async(&mut commands)
            .await?;
        Ok(Task { id, kind: work.kind, state: State::Queued })
    }

    pub(crate) async fn list(&self) -> Result<Vec<Task>, Refused> {
        let mut commands = self.commands.clone();
        let ids: Vec<u64> = commands.lrange(TASKS, 0, -1).await?;
        let mut reads = pipe();
        for id in &ids {
            reads.hgetall(task_key(*id));
        }
        let tasks: Vec<HashMap<String, String>> = reads.query_async(&mut commands).await?;
        Ok(ids.iter().zip(tasks).filter_map(|(id, fields)| task(*id, fields)).collect())
    }

    pub(crate) async fn get(&self, id: u64) -> Result<Option<Task>, Refused> {
        Ok(task(id, self.commands.clone().hgetall(task_key(id)).await?))
    }

    pub(crate) async fn finished(&self, id: u64) -> Result<Option<Task>, Refused> {
        loop {
            match self.get(id).await? {
                Some(task) if !task.is_finished() => tokio::time::sleep(POLL_INTERVAL).await,
                other => return Ok(other),
            }
        }
    }
}

/// Builds a task from the fields of its hash. `None` if the task does not exist or was deleted.
fn task(id: u64, mut fields: HashMap<String, String>) -> Option<Task> {
    let kind = Kind::from_name(fields.get("kind")?)?;
    let state = match fields.get("state")?.as_str() {
        "succeeded" => State::Succeeded { result: fields.remove("result")? },
        "failed" => State::Failed { error: fields.remove("error")? },
        "running" => State::Running,
        _ => State::Queued,
    };
    Some(Task { id, kind, state })
}

impl From<RedisError> for Refused {
    fn from(error: RedisError) -> Self {
        tracing::warn!(%error, "Redis cannot be used");
        Self::Unavailable
    }
}

/// How many tasks are listed.
const LISTED: isize = 100;
const POLL_INTERVAL: Duration = Duration::from_millis(50);
