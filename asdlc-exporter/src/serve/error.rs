use std::{error::Error, fmt, io, net::SocketAddr, time::Duration};

/// A server that cannot be started.
///
/// The message names the setting, the value and what is allowed; secrets are never in it.
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
///     "path `metrics`: allowed is `/` and then visible ASCII characters without `?` and `#`",
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
    Time(&'static str, Duration, &'static str),
    Bind(SocketAddr, io::Error),
}

impl ServeError {
    /// Whether the address is taken, not this machine's, or not allowed for this user.
    #[must_use]
    pub fn is_bind(&self) -> bool {
        matches!(self.kind, ServeErrorKind::Bind(..))
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ServeErrorKind::NoRoute => f.write_str("there is no route: nothing would be served"),
            ServeErrorKind::Path(path) => write!(
                f,
                "path `{path}`: allowed is `/` and then visible ASCII characters without `?` and `#`",
            ),
            ServeErrorKind::DuplicatePath(path) => write!(f, "path `{path}` is given twice"),
            ServeErrorKind::Token => f.write_str(
                "the bearer token: allowed are ASCII letters, digits and `-._~+/=`, one at least",
            ),
            ServeErrorKind::UserOrPassword => f.write_str(
                "user and password: allowed is what has no control characters, one character at least, no `:` in the user",
            ),
            ServeErrorKind::Network(network) => write!(
                f,
                "network `{network}`: allowed is an IP address, alone or with `/` and the length of its prefix",
            ),
            ServeErrorKind::ConnectionLimit(connections) => {
                write!(f, "connection limit {connections}: allowed is 1 to 65536")
            }
            ServeErrorKind::Time(name, time, allowed) => {
                write!(f, "{name} {time:?}: allowed is {allowed}")
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
            ServeErrorKind::Bind(_, error) => Some(error),
            _ => None,
        }
    }
}

impl From<ServeErrorKind> for ServeError {
    fn from(kind: ServeErrorKind) -> Self {
        Self { kind }
    }
}
