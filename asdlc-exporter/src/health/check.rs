use std::{error::Error, pin::Pin};

/// Finds out whether a dependency can be used.
///
/// Every `Fn() -> impl Future<Output = Result<(), E>>` is one; [`TcpCheck`](super::TcpCheck) and
/// [`HttpCheck`](super::HttpCheck) are ready.
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
    /// Begins one look at the dependency.
    ///
    /// The future runs in a Tokio task of its own and is dropped at the
    /// [timeout](super::Dependency::with_timeout). It should await, not block its thread: one that
    /// blocks counts as timed out all the same, and there is no second look before it has ended. A
    /// panic counts as not healthy.
    fn check(&self) -> CheckFuture<'_>;
}

/// One look at a dependency.
pub type CheckFuture<'a> = Pin<Box<dyn Future<Output = Result<(), CheckError>> + Send + 'a>>;

/// Why a dependency is not healthy: for the log, never for the answer.
pub type CheckError = Box<dyn Error + Send + Sync>;

impl<F, R, E> Check for F
where
    F: Fn() -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<CheckError>,
{
    fn check(&self) -> CheckFuture<'_> {
        let looking = self();
        Box::pin(async { looking.await.map_err(Into::into) })
    }
}
