use std::{error::Error, fmt, time::Duration};

/// A setting of a [`QueryProxy`](super::QueryProxy) that cannot be.
///
/// The message names the setting, the value and what is allowed. The URL and credentials are never
/// in it.
///
/// ```
/// use asdlc_exporter::{Exporter, victoria_metrics::QueryProxy};
///
/// # fn main() -> Result<(), asdlc_exporter::BuildError> {
/// # let exporter = Exporter::builder("shop").build()?;
/// let built = QueryProxy::builder("127.0.0.1:8428").build(&exporter.meter());
/// assert_eq!(
///     built.unwrap_err().to_string(),
///     "the URL of VictoriaMetrics cannot be read: allowed is http[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]",
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
    TwoCredentials,
    Token,
    UserOrPassword,
    Timeout(Duration),
    MaxPoints(u64),
    MaxInFlight(u64),
    MaxAnswerBytes(u64),
    ServicesWindow(Duration),
    /// Redacted.
    Origin(String),
}

impl fmt::Display for QueryProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            QueryProxyErrorKind::Url => f.write_str(
                "the URL of VictoriaMetrics cannot be read: allowed is http[s]://[USER:PASSWORD@]HOST[:PORT][/PREFIX]",
            ),
            #[cfg(not(feature = "victoria-metrics-tls"))]
            QueryProxyErrorKind::NoTls => f.write_str(
                "the URL of VictoriaMetrics is https: that needs the feature `victoria-metrics-tls` of asdlc-exporter",
            ),
            #[cfg(feature = "victoria-metrics-tls")]
            QueryProxyErrorKind::RootCertificates(problem) => write!(
                f,
                "the root certificates for VictoriaMetrics: {problem}; allowed is PEM with one certificate at least"
            ),
            QueryProxyErrorKind::TwoCredentials => f.write_str(
                "several credentials for VictoriaMetrics: allowed is one of the user in the URL, user and password, and bearer token",
            ),
            QueryProxyErrorKind::Token => f.write_str(
                "the bearer token for VictoriaMetrics: allowed are ASCII letters, digits and `-._~+/=`, one at least",
            ),
            QueryProxyErrorKind::UserOrPassword => f.write_str(
                "user and password for VictoriaMetrics: allowed is what has no control characters, a user of one character at least and without `:`",
            ),
            QueryProxyErrorKind::Timeout(timeout) => {
                write!(f, "timeout {timeout:?} of the query proxy: allowed is 100ms to 1h")
            }
            QueryProxyErrorKind::MaxPoints(points) => {
                write!(f, "{points} points a series in the query proxy: allowed are 2 to 30000")
            }
            QueryProxyErrorKind::MaxInFlight(queries) => {
                write!(f, "{queries} queries in flight in the query proxy: allowed are 1 to 1024")
            }
            QueryProxyErrorKind::MaxAnswerBytes(bytes) => {
                write!(f, "{bytes} bytes of an answer of the query proxy: allowed are 1024 and more")
            }
            QueryProxyErrorKind::ServicesWindow(window) => {
                write!(f, "window {window:?} for services of the query proxy: allowed is 1min to 1 year")
            }
            QueryProxyErrorKind::Origin(origin) => write!(
                f,
                "CORS origin `{origin}`: allowed is http[s]://HOST[:PORT] in lower case, or `*`",
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
