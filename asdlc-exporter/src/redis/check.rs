//! The probe as a check of readiness.

use super::{probe::RedisProbe, probe_connection::Finding};
use crate::health::{Check, CheckFuture};

/// Healthy when Redis answers a `PING` and can be used, as the table at [`RedisProbe`] has it; a look
/// that goes on for a scrape serves both.
///
/// Of an error the log is told its `error_type` only: the words of a server can repeat what it was
/// sent, a password included.
impl Check for RedisProbe {
    fn check(&self) -> CheckFuture<'_> {
        Box::pin(async {
            match self.look().await {
                None => Err("no Redis is configured".into()),
                Some(Finding::Pong | Finding::Error { is_ready: true, .. }) => Ok(()),
                Some(Finding::Error { error, .. } | Finding::Down(error)) => {
                    Err(format!("PING: {}", error.label()).into())
                }
            }
        })
    }
}
