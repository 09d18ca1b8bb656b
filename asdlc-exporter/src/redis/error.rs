use std::{error::Error, fmt, time::Duration};

/// Invalid configuration of the Redis adapter.
///
/// The message names the setting and the allowed values. It never has the URL, which may contain a
/// password:
///
/// ```
/// use asdlc_exporter::redis::RedisProbe;
///
/// let error = RedisProbe::open("http://user:secret@redis").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "invalid Redis URL: must be redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], rediss://... for TLS \
///      or unix:///PATH, without spaces, special characters percent-encoded",
/// );
/// ```
pub struct RedisSetupError {
    kind: RedisSetupErrorKind,
}

#[derive(Debug)]
pub(super) enum RedisSetupErrorKind {
    Url,
    NoTls,
    /// The message of [`check_boundaries`](crate::boundaries::check_boundaries).
    Boundaries(String),
    Timeout(Duration),
}

impl fmt::Display for RedisSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            RedisSetupErrorKind::Url => f.write_str(
                "invalid Redis URL: must be redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], \
                 rediss://... for TLS or unix:///PATH, without spaces, special characters percent-encoded",
            ),
            RedisSetupErrorKind::NoTls => f.write_str(
                "invalid Redis URL: TLS needs the feature `tokio-rustls-comp` or \
                 `tokio-native-tls-comp` of the crate `redis`",
            ),
            RedisSetupErrorKind::Boundaries(message) => f.write_str(message),
            RedisSetupErrorKind::Timeout(timeout) => {
                write!(f, "invalid Redis probe timeout {timeout:?}: must be 1ms to 4.5s")
            }
        }
    }
}

impl fmt::Debug for RedisSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::error::debug(f, "RedisSetupError", self)
    }
}

impl Error for RedisSetupError {}

impl From<RedisSetupErrorKind> for RedisSetupError {
    fn from(kind: RedisSetupErrorKind) -> Self {
        Self { kind }
    }
}
