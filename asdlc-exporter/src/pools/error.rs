use crate::names::NAME_RULE;
use std::{error::Error, fmt};

/// Invalid configuration of [`ConnectionPools`](super::ConnectionPools).
///
/// The message names the setting, the value and the allowed values:
///
/// ```
/// use asdlc_exporter::{Exporter, pools::{ConnectionPools, ConnectionStatistics}};
///
/// # fn main() -> Result<(), asdlc_exporter::BuildError> {
/// let exporter = Exporter::builder("shop").build()?;
/// let error = ConnectionPools::new("orders", ConnectionStatistics::default)
///     .with_pool("orders", ConnectionStatistics::default)
///     .register(&exporter)
///     .unwrap_err();
/// assert_eq!(error.to_string(), "duplicate pool name \"orders\"");
/// # Ok(()) }
/// ```
pub struct PoolSetupError {
    kind: PoolSetupErrorKind,
}

#[derive(Debug)]
pub(super) enum PoolSetupErrorKind {
    Name(String),
    DuplicateName(String),
}

impl fmt::Display for PoolSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            PoolSetupErrorKind::Name(name) => write!(f, "invalid pool name {name:?}: {NAME_RULE}"),
            PoolSetupErrorKind::DuplicateName(name) => write!(f, "duplicate pool name {name:?}"),
        }
    }
}

impl fmt::Debug for PoolSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::error::debug(f, "PoolSetupError", self)
    }
}

impl Error for PoolSetupError {}

impl From<PoolSetupErrorKind> for PoolSetupError {
    fn from(kind: PoolSetupErrorKind) -> Self {
        Self { kind }
    }
}
