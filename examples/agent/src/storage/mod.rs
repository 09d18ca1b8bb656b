//! Where keys are kept: in a file, and beside it in a Redis when there is one, where agents find what they have missed.
//! Each operation on each of them runs in a span, `storage`.

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
    /// Opens the file at `path`, or one that ends with the agent. Redis may come later.
    pub(crate) fn open(path: Option<&Path>, redis: Option<&str>) -> Result<Self, Box<dyn Error>> {
        Ok(Self { local: Local::open(path)?, redis: redis.map(Redis::new).transpose()? })
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<String>, Failed> {
        let value = self.local.get(key).metered(span("get", "local")).await?;
        match &self.redis {
            Some(redis) if value.is_none() => {
                let found = redis.get(key).metered(span("get", "redis")).await;
                Ok(found.unwrap_or_else(|error| without(&error)))
            }
            _ => Ok(value),
        }
    }

    pub(crate) async fn put(&self, key: &str, value: &str) -> Result<(), Failed> {
        self.local.put(key, value).metered(span("put", "local")).await?;
        if let Some(redis) = &self.redis {
            let put = redis.put(key, value).metered(span("put", "redis")).await;
            put.unwrap_or_else(|error| without(&error));
        }
        Ok(())
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<(), Failed> {
        self.local.delete(key).metered(span("delete", "local")).await?;
        if let Some(redis) = &self.redis {
            let deleted = redis.delete(key).metered(span("delete", "redis")).await;
            deleted.unwrap_or_else(|error| without(&error));
        }
        Ok(())
    }

    /// What a peer has sent: it has told Redis already.
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

/// Redis is a second copy: without it the agent goes on with the first.
fn without<T: Default>(error: &::redis::RedisError) -> T {
    tracing::warn!("going on without Redis: {error}");
    T::default()
}

/// The file could not be read or written.
pub(crate) type Failed = Box<dyn Error + Send + Sync>;
