//! What we depend on, and do not wait for.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A dependency did not do its part in time. What exactly went wrong is in the log alone.
#[derive(Debug)]
pub(crate) struct Unavailable {
    dependency: &'static str,
}

/// What comes of `work`, within the time that a request can spare for one dependency.
pub(crate) async fn within_patience<T, E: Into<Box<dyn Error + Send + Sync>>>(
    dependency: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Unavailable> {
    let why = match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => error.into(),
        Err(late) => late.into(),
    };
    tracing::warn!("{dependency}: {why}");
    Err(Unavailable { dependency })
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} is not available now: try again", self.dependency)
    }
}

const PATIENCE: Duration = Duration::from_secs(1);
