//! A probe as a readiness check.

use super::{probe::RedisProbe, probe_connection::PingOutcome};
use crate::health::{Check, CheckFuture};

/// Healthy when Redis responds to a `PING` and can run other commands, as in the table at
/// [`RedisProbe`]. A check joins an attempt that a scrape has started, and the other way round.
///
/// The log has the `error_type` only: the error message of a server can repeat what was sent to it,
/// such as a password.
impl Check for RedisProbe {
    fn check(&self) -> CheckFuture<'_> {
        Box::pin(async {
            match self.ping().await {
                None => Err("no Redis is configured".into()),
                Some(PingOutcome::Pong | PingOutcome::ErrorReply { is_ready: true, .. }) => Ok(()),
                Some(PingOutcome::ErrorReply { error, .. } | PingOutcome::Down(error)) => {
                    Err(format!("PING: {}", error.label()).into())
                }
            }
        })
    }
}
