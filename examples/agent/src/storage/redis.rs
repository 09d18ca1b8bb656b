//! A Redis that may be down.

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, RedisResult};
use std::time::Duration;

pub(super) struct Redis(ConnectionManager);

impl Redis {
    /// Connects with the first operation, and again whenever it has to.
    pub(super) fn new(url: &str) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE))
            .set_number_of_retries(1)
            .set_max_delay(PATIENCE / 10);
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

/// Longer than any healthy Redis takes, and not so long that a message waits.
const PATIENCE: Duration = Duration::from_millis(500);
