use std::{error::Error, fmt, time::Duration};

/// A setting of the Redis adapter that cannot be.
///
/// The message names the setting and what is allowed, and never the URL, which may hold a password:
///
/// ```
/// use asdlc_exporter::redis::RedisProbe;
///
/// let error = RedisProbe::open("http://user:secret@redis").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the URL of Redis cannot be read: allowed is redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], \
///      rediss://… for TLS and unix:///PATH, without spaces, other characters percent-encoded",
/// );
/// ```
pub struct RedisSetupError {
    kind: RedisSetupErrorKind,
}

#[derive(Debug)]
pub(super) enum RedisSetupErrorKind {
    Url,
    NoTls,
    Boundaries(Vec<f64>),
    Timeout(Duration),
}

impl fmt::Display for RedisSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            RedisSetupErrorKind::Url => f.write_str(
                "the URL of Redis cannot be read: allowed is redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], \
                 rediss://… for TLS and unix:///PATH, without spaces, other characters percent-encoded",
            ),
            RedisSetupErrorKind::NoTls => f.write_str(
                "the URL of Redis asks for TLS, which is not built in: enable the feature \
                 `tokio-rustls-comp` or `tokio-native-tls-comp` of the crate `redis`",
            ),
            RedisSetupErrorKind::Boundaries(boundaries) => write!(
                f,
                "boundaries {boundaries:?} of Redis latencies: allowed is one or more, finite and ascending"
            ),
            RedisSetupErrorKind::Timeout(timeout) => {
                write!(f, "timeout {timeout:?} of the Redis probe: allowed is 1ms to 4.5s")
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
