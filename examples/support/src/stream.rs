//! Tasks in Redis: a stream that the orchestrator adds events to and workers take them from as one consumer group, and for
//! each task a hash with its state.

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult};
use std::time::Duration;

/// The stream: one entry, an event, for each task that is not finished.
pub const STREAM: &str = "asdlc:events";
/// The consumer group of all workers.
pub const GROUP: &str = "workers";
/// The number of the last task.
pub const LAST_TASK: &str = "asdlc:tasks:last";
/// The newest tasks first.
pub const TASKS: &str = "asdlc:tasks";

/// The hash of a task: `kind`, `state`, and `result` or `error`.
#[must_use]
pub fn task_key(id: u64) -> String {
    format!("asdlc:task:{id}")
}

/// A connection that is made when it is first used, and again when it is lost. A command takes at most two seconds,
/// and `waiting` for those that wait for something to happen.
///
/// # Errors
/// When the URL is none.
pub fn connect(url: &str, waiting: Duration) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(1)))
        .set_response_timeout(Some(Duration::from_secs(2) + waiting))
        .set_number_of_retries(1);
    ConnectionManager::new_lazy_with_config(Client::open(url)?, config)
}
