//! A probe as a readiness check.

use super::{probe::RedisProbe, probe_connection::PingOutcome};
use crate::health::{Check, CheckFuture};

/// Healthy when Redis responds to a `PING` and can run other commands; see the table at
/// [`RedisProbe`]. If an attempt of a scrape is in progress, the check waits for it. A scrape also waits
/// for the attempt of a check.
///
/// The error has only the `error_type`. The error message of a server may repeat what was sent to it,
/// for example a password.
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
