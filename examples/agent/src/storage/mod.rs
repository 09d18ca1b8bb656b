//! The storage of keys: a file, and a Redis if one is configured. An agent that has missed a key
//! reads it from Redis. Each operation on each backend runs in a span `storage`.

mod local;
mod redis;

use self::local::Local;
use self::redis::Redis;
use std::error::Error;
use std::path::Path;
use tracing::{Span, info_span};
use tracing_asdlc_metrics::Metered;

pub(crate) struct Storage {
    local: Local,
    redis: Option<Redis>,
}

impl Storage {
    /// Opens the file at `path`, or a temporary file. Redis need not be available yet.
    pub(crate) fn open(path: Option<&Path>, redis: Option<&str>) -> Result<Self, Box<dyn Error>> {
        Ok(Self { local: Local::open(path)?, redis: redis.map(Redis::new).transpose()? })
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<String>, Failed> {
        let value = self.local.get(key).metered(span("get", "local")).await?;
        match &self.redis {
            Some(redis) if value.is_none() => {
                let found = redis.get(key).metered(span("get", "redis")).await;
                Ok(found.unwrap_or_else(|error| ignore(&error)))
            }
            _ => Ok(value),
        }
    }

    pub(crate) async fn put(&self, key: &str, value: &str) -> Result<(), Failed> {
        self.local.put(key, value).metered(span("put", "local")).await?;
        if let Some(redis) = &self.redis {
            let put = redis.put(key, value).metered(span("put", "redis")).await;
            put.unwrap_or_else(|error| ignore(&error));
        }
        Ok(())
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), Failed> {
        self.local.delete(key).metered(span("delete", "local")).await?;
        if let Some(redis) = &self.redis {
            let deleted = redis.delete(key).metered(span("delete", "redis")).await;
            deleted.unwrap_or_else(|error| ignore(&error));
        }
        Ok(())
    }

    /// Stores a copy from a peer. The peer has already updated Redis.
    pub(crate) async fn copy(&self, key: &str, value: Option<&str>) -> Result<(), Failed> {
        match value {
            Some(value) => self.local.put(key, value).metered(span("put", "local")).await,
            None => self.local.delete(key).metered(span("delete", "local")).await,
        }
    }
}

fn span(operation: &'static str, backend: &'static str) -> Span {
    info_span!("storage", operation, backend)
}

/// Redis has only a second copy, so the agent continues without it.
fn ignore<T: Default>(error: &::redis::RedisError) -> T {
    tracing::warn!("continuing without Redis: {error}");
    T::default()
}

/// The error when the file cannot be read or written.
pub(crate) type Failed = Box<dyn Error + Send + Sync>;
