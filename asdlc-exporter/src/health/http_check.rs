//! Checks that are ready to use.

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

/// Healthy when a TCP connection can be made; it is closed at once.
///
/// ```
/// use asdlc_exporter::health::{Dependency, TcpCheck};
///
/// # fn main() -> Result<(), asdlc_exporter::health::HealthError> {
/// let database = Dependency::critical("database", TcpCheck::new("db.internal:5432")?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct TcpCheck {
    address: String,
}

impl TcpCheck {
    /// Will connect to `address`, a host name or an IP address and a port; names are resolved at
    /// each check.
    ///
    /// # Errors
    ///
    /// When `address` is not `HOST:PORT`.
    pub fn new(address: impl Into<String>) -> Result<Self, HealthError> {
        let address = address.into();
        let port = address
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty() && !host.contains(['/', '@', ' ']))
            .and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none_or(|port| port == 0) {
            return Err(HealthErrorKind::Address.into());
        }
        Ok(Self { address })
    }
}

impl Check for TcpCheck {
    fn check(&self) -> CheckFuture<'_> {
        Box::pin(async {
            TcpStream::connect(&self.address).await?;
            Ok(())
        })
    }
}

/// Healthy when `GET` of a URL is answered with a status from 200 to 299.
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
/// Each check is one connection and one HTTP/1.1 request; redirects are not followed, and of the
/// answer only the status is read.
#[derive(Clone)]
pub struct HttpCheck {
    address: String,
    request: String,
}

impl HttpCheck {
    /// Will ask for `url`, the port is 80 if it has none.
    ///
    /// # Errors
    ///
    /// When `url` is not an `http` URL or holds a user or password.
    pub fn new(url: &str) -> Result<Self, HealthError> {
        let refused = || HealthError::from(HealthErrorKind::Url);
        let uri: Uri = url.parse().map_err(|_| refused())?;
        let authority = uri.authority().filter(|authority| {
            uri.scheme() == Some(&Scheme::HTTP)
                && !authority.host().is_empty()
                && !authority.as_str().contains('@')
        });
        let authority = authority.ok_or_else(refused)?;
        // What is no port number is none to `http` either.
        let port = match authority.port_u16() {
            Some(port) if port > 0 => port,
            None if authority.as_str() == authority.host() => 80,
            _ => return Err(refused()),
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

/// Without the path, which may hold a token.
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
            // `HTTP/1.1 200`: a shorter answer is none, and more is not needed.
            let mut status = [0; 12];
            stream.read_exact(&mut status).await?;
            match &status {
                [
                    b'H',
                    b'T',
                    b'T',
                    b'P',
                    b'/',
                    b'1',
                    b'.',
                    _,
                    b' ',
                    b'2',
                    b'0'..=b'9',
                    b'0'..=b'9',
                ] => Ok(()),
                [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', status @ ..] => {
                    Err(format!("status {}", status.escape_ascii()).into())
                }
                _ => Err("not an HTTP answer".into()),
            }
        })
    }
}

const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
