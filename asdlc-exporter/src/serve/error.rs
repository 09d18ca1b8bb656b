use std::{error::Error, fmt, io, net::SocketAddr, time::Duration};

/// The server cannot be started.
///
/// The message names the setting, the value and the allowed values. It never has a secret.
///
/// ```
/// use asdlc_exporter::{Exporter, serve::Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let metrics = Exporter::builder("agent").build()?.scrape_service();
/// let started = Server::builder().with_route("metrics", metrics).start().await;
/// assert_eq!(
///     started.unwrap_err().to_string(),
///     r#"invalid path "metrics": must start with / and have only visible ASCII characters except ? and #"#,
/// );
/// # Ok(()) }
/// ```
pub struct ServeError {
    kind: ServeErrorKind,
}

#[derive(Debug)]
pub(super) enum ServeErrorKind {
    NoRoute,
    /// Redacted.
    Path(String),
    DuplicatePath(String),
    Token,
    UserOrPassword,
    /// Redacted.
    Network(String),
    ConnectionLimit(usize),
    Time {
        name: &'static str,
        time: Duration,
        allowed: &'static str,
    },
    /// Redacted.
    Host(String),
    UnknownHost {
        host: String,
        variable: Option<&'static str>,
        error: Option<io::Error>,
    },
    Bind(SocketAddr, io::Error),
}

impl ServeError {
    /// Whether the address cannot be bound: it is in use, not one of this machine, or not permitted.
    #[must_use]
    pub fn is_bind(&self) -> bool {
        matches!(self.kind, ServeErrorKind::Bind(..))
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ServeErrorKind::NoRoute => {
                f.write_str("missing route: add one with `ServerBuilder::with_route`")
            }
            ServeErrorKind::Path(path) => write!(
                f,
                "invalid path \"{path}\": must start with / and have only visible ASCII characters except ? and #",
            ),
            ServeErrorKind::DuplicatePath(path) => write!(f, "duplicate path \"{path}\""),
            ServeErrorKind::Token => f.write_str(
                "invalid bearer token: must be one or more ASCII letters, digits and -._~+/=",
            ),
            ServeErrorKind::UserOrPassword => f.write_str(
                "invalid user or password: must not be empty or have control characters, and the user must not have ':'",
            ),
            ServeErrorKind::Network(network) => write!(
                f,
                "invalid network \"{network}\": must be an IP address, or ADDRESS/PREFIX_LENGTH",
            ),
            ServeErrorKind::ConnectionLimit(connections) => {
                write!(f, "invalid connection limit {connections}: must be 1 to 65536")
            }
            ServeErrorKind::Time { name, time, allowed } => {
                write!(f, "invalid {name} {time:?}: must be {allowed}")
            }
            ServeErrorKind::Host(host) => write!(
                f,
                "invalid host \"{host}\": must be an IP address or a host name, without a port"
            ),
            ServeErrorKind::UnknownHost { host, variable, error } => {
                if let Some(variable) = variable {
                    write!(f, "environment variable {variable}: ")?;
                }
                write!(f, "cannot resolve host \"{host}\": ")?;
                match error {
                    Some(error) => error.fmt(f),
                    None => f.write_str("it has no address"),
                }
            }
            ServeErrorKind::Bind(address, error) => {
                write!(f, "cannot listen on {address}: {error}")
            }
        }
    }
}

impl fmt::Debug for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::error::debug(f, "ServeError", self)
    }
}

impl Error for ServeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            ServeErrorKind::Bind(_, error)
            | ServeErrorKind::UnknownHost { error: Some(error), .. } => Some(error),
            _ => None,
        }
    }
}

impl From<ServeErrorKind> for ServeError {
    fn from(kind: ServeErrorKind) -> Self {
        Self { kind }
    }
}
