//! Tasks in Redis. The orchestrator adds events to a stream, and the workers read them as one consumer group. A hash has the state of
//! each task.

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult};
use std::time::Duration;

/// The stream, with one entry (an event) for each unfinished task.
pub const STREAM: &str = "asdlc:events";
/// The consumer group of all workers.
pub const GROUP: &str = "workers";
/// The key with the id of the last task.
pub const LAST_TASK: &str = "asdlc:tasks:last";
/// The list of tasks, newest first.
pub const TASKS: &str = "asdlc:tasks";

/// The hash of a task: `kind`, `state`, and `result` or `error`.
#[must_use]
pub fn task_key(id: u64) -> String {
    format!("asdlc:task:{id}")
}

/// A connection that connects at first use, and reconnects when it is lost. A command has a timeout of two seconds plus `waiting`,
/// which is the time that a blocking command may wait.
///
/// # Errors
/// If the URL is invalid.
pub fn connect(url: &str, waiting: Duration) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(1)))
        .set_response_timeout(Some(Duration::from_secs(2) + waiting))
        .set_number_of_retries(1);
    ConnectionManager::new_lazy_with_config(Client::open(url)?, config)
}
