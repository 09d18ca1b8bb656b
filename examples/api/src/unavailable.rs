//! A timeout for each use of a dependency.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A dependency has failed or timed out. Only the log has the reason.
#[derive(Debug)]
pub(crate) struct Unavailable {
    dependency: &'static str,
}

/// Runs `work` with the timeout that a request has for one dependency.
pub(crate) async fn with_timeout<T, E: Into<Box<dyn Error + Send + Sync>>>(
    dependency: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Unavailable> {
    let why = match tokio::time::timeout(TIMEOUT, work).await {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => error.into(),
        Err(late) => late.into(),
    };
    tracing::warn!("{dependency}: {why}");
    Err(Unavailable { dependency })
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} is unavailable: try again", self.dependency)
    }
}

const TIMEOUT: Duration = Duration::from_secs(1);
