//! The probe as a check of readiness.

use super::probe::RedisProbe;
use crate::health::{Check, CheckFuture};

/// Healthy when Redis answers a `PING`; a look that goes on for a scrape serves both.
///
/// Of an error the log is told its `error_type` only: the words of a server can repeat what it was
/// sent, a password included.
impl Check for RedisProbe {
    fn check(&self) -> CheckFuture<'_> {
        Box::pin(async {
            match self.look().await {
                None => Err("no Redis is configured".into()),
                Some(Err(error)) => Err(format!("PING: {}", error.label()).into()),
                Some(Ok(())) => Ok(()),
            }
        })
    }
}
