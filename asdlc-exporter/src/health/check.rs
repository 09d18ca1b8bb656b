use std::{error::Error, pin::Pin};

/// Checks whether a dependency can be used.
///
/// Every `Fn() -> impl Future<Output = Result<(), E>>` is a check. [`TcpCheck`](super::TcpCheck) and
/// [`HttpCheck`](super::HttpCheck) are provided.
///
/// ```
/// use asdlc_exporter::health::{Check, CheckFuture};
///
/// struct Disk(std::path::PathBuf);
///
/// impl Check for Disk {
///     fn check(&self) -> CheckFuture<'_> {
///         Box::pin(async {
///             std::fs::metadata(&self.0)?;
///             Ok(())
///         })
///     }
/// }
/// ```
pub trait Check: Send + Sync + 'static {
    /// Starts one check of the dependency.
    ///
    /// The future runs in its own Tokio task and is dropped at the
    /// [timeout](super::Dependency::with_timeout). It should not block its thread, because a check
    /// that blocks cannot be dropped. If a check blocks until its timeout, the dependency is not
    /// healthy, and the next check starts only after the blocked one has ended. If the check
    /// panics, the dependency is not healthy.
    fn check(&self) -> CheckFuture<'_>;
}

/// A check in progress.
pub type CheckFuture<'a> = Pin<Box<dyn Future<Output = Result<(), CheckError>> + Send + 'a>>;

/// Why a dependency is not healthy. It is logged, and never in the response.
pub type CheckError = Box<dyn Error + Send + Sync>;

impl<F, R, E> Check for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<CheckError>,
{
    fn check(&self) -> CheckFuture<'_> {
        let check = self();
        Box::pin(async { check.await.map_err(Into::into) })
    }
}
