use super::{
    check::{Check, CheckFuture},
    error::{HealthError, HealthErrorKind},
};
use tokio::net::TcpStream;

/// Opens a TCP connection and closes it immediately. Healthy when the connection could be opened.
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
    /// Creates a check that connects to `address`: a host name or an IP address, and a port. Each check
    /// resolves the name again.
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
