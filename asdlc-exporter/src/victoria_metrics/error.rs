use std::{error::Error, fmt, time::Duration};

/// Invalid configuration of a [`QueryProxy`](super::QueryProxy).
///
/// The message names the setting, the value and the allowed values. It never has the URL or the
/// credentials.
///
/// ```
/// use asdlc_exporter::{Exporter, victoria_metrics::QueryProxy};
///
/// # fn main() -> Result<(), asdlc_exporter::BuildError> {
/// # let exporter = Exporter::builder("shop").build()?;
/// let built = QueryProxy::builder("127.0.0.1:8428").build(&exporter);
/// assert_eq!(
///     built.unwrap_err().to_string(),
///     "invalid VictoriaMetrics URL: must be http[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]",
/// );
/// # Ok(()) }
/// ```
pub struct QueryProxyError {
    kind: QueryProxyErrorKind,
}

pub(super) enum QueryProxyErrorKind {
    Url,
    #[cfg(not(feature = "victoria-metrics-tls"))]
    NoTls,
    #[cfg(feature = "victoria-metrics-tls")]
    RootCertificates(String),
    MultipleCredentials,
    Token,
    UserOrPassword,
    Timeout(Duration),
    MaxPoints(u64),
    MaxInFlight(u64),
    MaxResponseBytes(u64),
    ServicesWindow(Duration),
    /// Redacted.
    Origin(String),
}

impl fmt::Display for QueryProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            QueryProxyErrorKind::Url => f.write_str(
                "invalid VictoriaMetrics URL: must be http[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]",
            ),
            #[cfg(not(feature = "victoria-metrics-tls"))]
            QueryProxyErrorKind::NoTls => f.write_str(
                "invalid VictoriaMetrics URL: https needs the feature `victoria-metrics-tls` of asdlc-exporter",
            ),
            #[cfg(feature = "victoria-metrics-tls")]
            QueryProxyErrorKind::RootCertificates(problem) => write!(
                f,
                "invalid root certificates for VictoriaMetrics: {problem}; must be PEM with at least one certificate"
            ),
            QueryProxyErrorKind::MultipleCredentials => f.write_str(
                "multiple credentials for VictoriaMetrics: must be only one of the user in the URL, user and password, and bearer token",
            ),
            QueryProxyErrorKind::Token => f.write_str(
                "invalid bearer token for VictoriaMetrics: must be one or more ASCII letters, digits and -._~+/=",
            ),
            QueryProxyErrorKind::UserOrPassword => f.write_str(
                "invalid user or password for VictoriaMetrics: must not have control characters, and the user must not be empty or have ':'",
            ),
            QueryProxyErrorKind::Timeout(timeout) => {
                write!(f, "invalid query proxy timeout {timeout:?}: must be 100ms to 1h")
            }
            QueryProxyErrorKind::MaxPoints(points) => {
                write!(f, "invalid query proxy limit of {points} points per series: must be 2 to 30000")
            }
            QueryProxyErrorKind::MaxInFlight(queries) => {
                write!(f, "invalid query proxy limit of {queries} queries in flight: must be 1 to 1024")
            }
            QueryProxyErrorKind::MaxResponseBytes(bytes) => {
                write!(f, "invalid query proxy limit of {bytes} bytes per response: must be at least 1024")
            }
            QueryProxyErrorKind::ServicesWindow(window) => {
                write!(f, "invalid query proxy services window {window:?}: must be 1min to 1 year")
            }
            QueryProxyErrorKind::Origin(origin) => write!(
                f,
                "invalid CORS origin \"{origin}\": must be http[s]://HOST[:PORT] in lower case, or *",
            ),
        }
    }
}

impl fmt::Debug for QueryProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::error::debug(f, "QueryProxyError", self)
    }
}

impl Error for QueryProxyError {}

impl From<QueryProxyErrorKind> for QueryProxyError {
    fn from(kind: QueryProxyErrorKind) -> Self {
        Self { kind }
    }
}
