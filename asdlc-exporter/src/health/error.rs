use std::{error::Error, fmt, time::Duration};

/// A setting of the health services that cannot be.
///
/// The message names the setting, the value and what is allowed. Addresses and URLs are never in
/// it: they may hold a password.
///
/// ```
/// use asdlc_exporter::health::TcpCheck;
///
/// let error = TcpCheck::new("localhost").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the address of a TCP check: allowed is HOST:PORT, the port from 1 to 65535",
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
            HealthErrorKind::Name(name) => write!(
                f,
                "dependency `{}`: allowed are 1 to 64 ASCII letters, digits and `_`, `-`, `.`, `:`",
                name.escape_debug()
            ),
            HealthErrorKind::DuplicateName(name) => write!(f, "dependency `{name}` is given twice"),
            HealthErrorKind::Timeout(name, timeout) => {
                write!(f, "timeout {timeout:?} of dependency `{name}`: allowed is 1ms to 900ms")
            }
            HealthErrorKind::CachePeriod(period) => {
                write!(f, "cache period {period:?} of readiness: allowed is 1s to 1min")
            }
            HealthErrorKind::Address => f.write_str(
                "the address of a TCP check: allowed is HOST:PORT, the port from 1 to 65535",
            ),
            HealthErrorKind::Url => f.write_str(
                "the URL of an HTTP check: allowed is http://HOST[:PORT][/PATH], no user, no password",
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
