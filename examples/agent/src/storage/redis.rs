//! The storage in Redis, which may be unavailable.

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, RedisResult};
use std::time::Duration;

pub(super) struct Redis(ConnectionManager);

impl Redis {
    /// Connects at the first operation, and reconnects when the connection is lost.
    pub(super) fn new(url: &str) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(1)
            .set_max_delay(TIMEOUT / 10);
        let client = redis::Client::open(url)?;
        Ok(Self(ConnectionManager::new_lazy_with_config(client, config)?))
    }

    pub(super) async fn get(&self, key: &str) -> RedisResult<Option<String>> {
        self.0.clone().get(name(key)).await
    }

    pub(super) async fn put(&self, key: &str, value: &str) -> RedisResult<()> {
        self.0.clone().set(name(key), value).await
    }

    pub(super) async fn delete(&self, key: &str) -> RedisResult<()> {
        self.0.clone().del(name(key)).await
    }
}

fn name(key: &str) -> String {
    format!("agent:{key}")
}

/// Longer than a healthy Redis takes, but short enough for a message to wait.
const TIMEOUT: Duration = Duration::from_millis(500);
