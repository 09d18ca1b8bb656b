//! The quota of a source per minute. Redis counts for all instances of this service.

use crate::unavailable::{Unavailable, with_timeout};
use asdlc_exporter::redis::{InstrumentedConnection, RedisMetrics};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisResult};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Clone)]
pub(crate) struct Quota {
    redis: InstrumentedConnection<ConnectionManager>,
    per_minute: u64,
    address: String,
}

impl Quota {
    /// Does not connect yet; the first command does.
    pub(crate) fn new(url: &str, per_minute: u64, metrics: &RedisMetrics) -> RedisResult<Self> {
        let client = Client::open(url)?;
        let redis = metrics.instrument(client.get_connection_manager_lazy(config())?);
        let address = client.get_connection_info().addr().to_string();
        Ok(Self { redis, per_minute, address })
    }

    /// Counts one event of `source`. Returns whether it is within the quota.
    pub(crate) async fn take(&self, source: &str) -> Result<bool, Unavailable> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let key = format!("quota:{source}:{}", now.as_secs() / 60);
        let mut redis = self.redis.clone();
        let mut count = redis::pipe();
        count.atomic().incr(&key, 1).expire(&key, 120).ignore();
        let (taken,): (u64,) = with_timeout("quota", count.query_async(&mut redis)).await?;
        Ok(taken <= self.per_minute)
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { redis: _, per_minute, address } = self;
        write!(f, "{per_minute} events a minute from each source, counted by Redis at {address}")
    }
}

/// With the defaults a command takes 9 s to fail if nobody listens.
fn config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_max_delay(Duration::from_millis(100))
        .set_connection_timeout(Some(Duration::from_millis(400)))
        .set_response_timeout(Some(Duration::from_millis(400)))
}
