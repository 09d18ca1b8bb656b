use crate::names::NAME_RULE;
use std::{error::Error, fmt, time::Duration};

/// Invalid configuration of the health services.
///
/// The message names the setting, the value and the allowed values. It never has an address or a URL,
/// which may contain a password.
///
/// ```
/// use asdlc_exporter::health::TcpCheck;
///
/// let error = TcpCheck::new("localhost").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "invalid TCP check address: must be HOST:PORT, with a port from 1 to 65535",
/// );
/// ```
pub struct HealthError {
    kind: HealthErrorKind,
}

#[derive(Debug)]
pub(super) enum HealthErrorKind {
    Name(String),
    DuplicateName(String),
    Timeout(String, Duration),
    CachePeriod(Duration),
    Address,
    Url,
}

impl fmt::Display for HealthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            HealthErrorKind::Name(name) => {
                write!(f, "invalid dependency name {name:?}: {NAME_RULE}")
            }
            HealthErrorKind::DuplicateName(name) => write!(f, "duplicate dependency name {name:?}"),
            HealthErrorKind::Timeout(name, timeout) => {
                write!(f, "dependency {name:?}: invalid timeout {timeout:?}: must be 1ms to 900ms")
            }
            HealthErrorKind::CachePeriod(period) => {
                write!(f, "invalid readiness cache period {period:?}: must be 1s to 1min")
            }
            HealthErrorKind::Address => f.write_str(
                "invalid TCP check address: must be HOST:PORT, with a port from 1 to 65535",
            ),
            HealthErrorKind::Url => f.write_str(
                "invalid HTTP check URL: must be http://HOST[:PORT][/PATH], without user and password",
            ),
        }
    }
}

impl fmt::Debug for HealthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::error::debug(f, "HealthError", self)
    }
}

impl Error for HealthError {}

impl From<HealthErrorKind> for HealthError {
    fn from(kind: HealthErrorKind) -> Self {
        Self { kind }
    }
}
