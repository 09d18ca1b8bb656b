use crate::names::NAME_RULE;
use std::{error::Error, fmt, time::Duration};

/// Invalid configuration of [`RuntimeMetrics`](super::RuntimeMetrics).
///
/// The message names the setting, the value and the allowed values:
///
/// ```
/// use asdlc_exporter::{Exporter, runtime::RuntimeMetrics};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), asdlc_exporter::BuildError> {
/// let exporter = Exporter::builder("shop").build()?;
/// let runtime = tokio::runtime::Handle::current();
/// let error = RuntimeMetrics::new("main", runtime.clone())
///     .with_runtime("main", runtime)
///     .register(&exporter)
///     .unwrap_err();
/// assert_eq!(error.to_string(), "duplicate runtime name \"main\"");
/// # Ok(()) }
/// ```
pub struct RuntimeSetupError {
    kind: RuntimeSetupErrorKind,
}

#[derive(Debug)]
pub(super) enum RuntimeSetupErrorKind {
    Name(String),
    DuplicateName(String),
    Timeout(Duration),
}

impl fmt::Display for RuntimeSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            RuntimeSetupErrorKind::Name(name) => {
                write!(f, "invalid runtime name {name:?}: {NAME_RULE}")
            }
            RuntimeSetupErrorKind::DuplicateName(name) => {
                write!(f, "duplicate runtime name {name:?}")
            }
            RuntimeSetupErrorKind::Timeout(timeout) => {
                write!(f, "invalid runtime probe timeout {timeout:?}: must be 1ms to 900ms")
            }
        }
    }
}

impl fmt::Debug for RuntimeSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::error::debug(f, "RuntimeSetupError", self)
    }
}

impl Error for RuntimeSetupError {}

impl From<RuntimeSetupErrorKind> for RuntimeSetupError {
    fn from(kind: RuntimeSetupErrorKind) -> Self {
        Self { kind }
    }
}
