use super::{
    check::{Check, CheckFuture},
    error::{HealthError, HealthErrorKind},
};
use http::{Uri, uri::Scheme};
use std::fmt;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Sends a `GET` request. Healthy when the status of the response is 200 to 299.
///
/// ```
/// use asdlc_exporter::health::{Dependency, HttpCheck};
///
/// # fn main() -> Result<(), asdlc_exporter::health::HealthError> {
/// let check = HttpCheck::new("http://events.internal:9200/health")?;
/// let events = Dependency::critical("event_store", check);
/// # Ok(()) }
/// ```
///
/// Each check opens a connection and sends one HTTP/1.1 request. It does not follow redirects, and
/// reads only the status of the response.
#[derive(Clone)]
pub struct HttpCheck {
    address: String,
    request: String,
}

impl HttpCheck {
    /// Creates a check that requests `url`. The default port is 80.
    ///
    /// # Errors
    ///
    /// When `url` is not an `http` URL, or contains a user or a password.
    pub fn new(url: &str) -> Result<Self, HealthError> {
        let invalid = || HealthError::from(HealthErrorKind::Url);
        let uri: Uri = url.parse().map_err(|_| invalid())?;
        let authority = uri.authority().filter(|authority| {
            uri.scheme() == Some(&Scheme::HTTP)
                && !authority.host().is_empty()
                && !authority.as_str().contains('@')
        });
        let authority = authority.ok_or_else(invalid)?;
        // `port_u16` is `None` without a port, and also if the port is not a number.
        let port = match authority.port_u16() {
            Some(port) if port > 0 => port,
            None if authority.as_str() == authority.host() => 80,
            _ => return Err(invalid()),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            address: format!("{}:{port}", authority.host()),
            request: format!(
                "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {AGENT}\r\nConnection: close\r\n\r\n"
            ),
        })
    }
}

/// Without the path, which may contain a token.
impl fmt::Debug for HttpCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCheck").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Check for HttpCheck {
    fn check(&self) -> CheckFuture<'_> {
        Box::pin(async {
            let mut stream = TcpStream::connect(&self.address).await?;
            stream.write_all(self.request.as_bytes()).await?;
            let mut line = [0; "HTTP/1.1 200".len()];
            stream.read_exact(&mut line).await?;
            match line.strip_prefix(b"HTTP/1.") {
                Some([_, b' ', b'2', b'0'..=b'9', b'0'..=b'9']) => Ok(()),
                Some([_, b' ', status @ ..]) => {
                    Err(format!("status {}", status.escape_ascii()).into())
                }
                _ => Err("not an HTTP response".into()),
            }
        })
    }
}

const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
