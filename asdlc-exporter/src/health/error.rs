use std::{error::Error, fmt, time::Duration};

/// A setting of the health services that cannot be.
///
/// The message names the setting, the value and what is allowed.
///
/// ```
/// use asdlc_exporter::health::TcpCheck;
///
/// let error = TcpCheck::new("localhost").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "address `localhost` of a TCP check: allowed is HOST:PORT, the port from 1 to 65535",
/// );
/// ```
#[derive(Debug)]
pub struct HealthError {
    kind: HealthErrorKind,
}

#[derive(Debug)]
pub(super) enum HealthErrorKind {
    Name(String),
    DuplicateName(String),
    Timeout(String, Duration),
    CachePeriod(Duration),
    Address(String),
    /// Redacted.
    Url(String),
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
            HealthErrorKind::Address(address) => write!(
                f,
                "address `{}` of a TCP check: allowed is HOST:PORT, the port from 1 to 65535",
                address.escape_debug()
            ),
            HealthErrorKind::Url(url) => write!(
                f,
                "URL `{}` of an HTTP check: allowed is http://HOST[:PORT][/PATH], no user, no password",
                url.escape_debug()
            ),
        }
    }
}

impl Error for HealthError {}

impl From<HealthErrorKind> for HealthError {
    fn from(kind: HealthErrorKind) -> Self {
        Self { kind }
    }
}

/// The text without what stands between `://` and `@`.
pub(super) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        // A password may hold `@` and `/` that nobody escaped: rather too much is removed.
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let (url, after) = after.split_at(end);
        let host = url.rsplit_once('@').map(|(_, host)| host);
        if host.is_some() {
            out.push_str("***@");
        }
        out.push_str(host.unwrap_or(url));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn users_and_passwords_are_removed() {
        for (text, expected) in [
            ("", ""),
            ("connection refused", "connection refused"),
            ("http://host/path", "http://host/path"),
            ("redis://:secret@host:6379", "redis://***@host:6379"),
            (
                "at postgres://me:a@b/c@host/db: no, nor mysql://x:y@z",
                "at postgres://***@host/db: no, nor mysql://***@z",
            ),
            ("://", "://"),
            ("mail me@host", "mail me@host"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }
}
