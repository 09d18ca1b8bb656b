//! How much a source may send in a minute: counted in Redis, for all instances of this service together.

use crate::unavailable::{Unavailable, within_patience};
use asdlc_exporter::health::Check;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Clone)]
pub(crate) struct Quota {
    redis: ConnectionManager,
    /// The check has a connection of its own: it is not to wait behind the commands of requests.
    probe: ConnectionManager,
    per_minute: u64,
    address: String,
}

impl Quota {
    /// Connects when it is first needed.
    pub(crate) fn new(url: &str, per_minute: u64) -> Result<Self, Box<dyn Error>> {
        // It may hold a password: it is not repeated.
        let expected = "REDIS_URL: expected redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]";
        let client = redis::Client::open(url).map_err(|_| expected)?;
        let connect = || client.get_connection_manager_lazy(config());
        let (redis, probe) = (connect()?, connect()?);
        let address = client.get_connection_info().addr().to_string();
        Ok(Self { redis, probe, per_minute, address })
    }

    /// Whether `source` may send one more event.
    pub(crate) async fn take(&self, source: &str) -> Result<bool, Unavailable> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let key = format!("quota:{source}:{}", now.as_secs() / 60);
        let mut redis = self.redis.clone();
        let mut count = redis::pipe();
        count.atomic().incr(&key, 1).expire(&key, 120).ignore();
        let (taken,): (u64,) = within_patience("quota", count.query_async(&mut redis)).await?;
        Ok(taken <= self.per_minute)
    }

    pub(crate) fn check(&self) -> impl Check + use<> {
        let probe = self.probe.clone();
        move || {
            let mut probe = probe.clone();
            async move { redis::cmd("PING").query_async::<()>(&mut probe).await }
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { redis: _, probe: _, per_minute, address } = self;
        write!(f, "{per_minute} events a minute from each source, counted by Redis at {address}")
    }
}

/// The defaults are made for patience: 9 s of it when nobody listens.
fn config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_max_delay(Duration::from_millis(100))
        .set_connection_timeout(Some(Duration::from_millis(400)))
        .set_response_timeout(Some(Duration::from_millis(400)))
}
