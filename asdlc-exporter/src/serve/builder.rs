use super::{
    accept::{Settings, accept_connections},
    address::{DEFAULT_PORT, ListenAddress},
    auth::Auth,
    error::{ServeError, ServeErrorKind},
    limits::Limits,
    network,
    routes::{Route, Routes},
};
use crate::{
    credentials::{Credentials, InvalidCredentials},
    redact,
};
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use std::{
    convert::Infallible,
    error::Error,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tower_service::Service;

/// A running server; see the [module](super). Dropping it also stops the server. The drop does not
/// wait for responses in progress, which still have the grace period.
#[derive(Debug)]
#[must_use = "dropping it stops the server"]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Creates a builder with the defaults in the [module's table](super) and no route.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            address: ListenAddress::Ip((Ipv4Addr::LOCALHOST, DEFAULT_PORT).into()),
            routes: Vec::new(),
            credentials: Vec::new(),
            networks: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// The address that the server listens on. If port 0 was requested, this is the assigned port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and closes idle connections. Waits for responses in progress, at most for the [grace
    /// period](ServerBuilder::with_grace_period), and returns when all connections are closed.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.serving.await;
    }
}

/// Builder of a [`Server`].
///
/// ```no_run
/// use asdlc_exporter::{Exporter, serve::Server};
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("agent").build()?;
/// let server = Server::builder()
///     .with_address(([0, 0, 0, 0], 8080).into())
///     .with_route("/metrics", exporter.scrape_service())
///     .with_bearer_token(std::fs::read_to_string("/run/secrets/token")?.trim())
///     .with_allowed_network("10.0.0.0/8")
///     .start()
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing before `start`"]
pub struct ServerBuilder {
    address: ListenAddress,
    routes: Vec<Route>,
    credentials: Vec<Result<Credentials, ServeError>>,
    networks: Vec<String>,
    limits: Limits,
}

impl ServerBuilder {
    /// Sets the address to listen on. Port 0 is any free port. Default: 127.0.0.1:9464.
    pub fn with_address(mut self, address: SocketAddr) -> Self {
        self.address = ListenAddress::Ip(address);
        self
    }

    /// Sets the address to listen on by host and port: an IP address, IPv6 with or without brackets, or a
    /// host name. Port 0 is any free port. The last call of this method or of
    /// [`with_address`](Self::with_address) counts.
    ///
    /// `localhost` is 127.0.0.1. Other names are resolved when the server starts. It listens on one
    /// address: the first IPv4 address of the name, or else the first one.
    pub fn with_host(mut self, host: impl AsRef<str>, port: u16) -> Self {
        self.address = ListenAddress::new(host.as_ref(), port);
        self
    }

    pub(super) fn with_listen_address(mut self, address: ListenAddress) -> Self {
        self.address = address;
        self
    }

    /// Adds a service for exactly this path and all methods.
    pub fn with_route<S, B>(mut self, path: impl Into<String>, service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.routes.push(Route::new(path.into(), service));
        self
    }

    /// Requires `Authorization: Bearer` with this token, on every path.
    ///
    /// With several tokens or users, a request needs one of them. Secrets are compared in constant time,
    /// except that a wrong length ends the comparison early. There is no TLS: clients send the secret over
    /// the network in plain text.
    pub fn with_bearer_token(mut self, token: &str) -> Self {
        let invalid = |InvalidCredentials| ServeErrorKind::Token.into();
        self.credentials.push(Credentials::bearer(token).map_err(invalid));
        self
    }

    /// Requires `Authorization: Basic` with this user and password, on every path; see
    /// [`with_bearer_token`](Self::with_bearer_token).
    pub fn with_basic_auth(mut self, user: &str, password: &str) -> Self {
        let credentials = match password {
            // `Credentials` allows an empty password for clients. A server must not accept it.
            "" => Err(InvalidCredentials),
            _ => Credentials::basic(user, password),
        };
        let invalid = |InvalidCredentials| ServeErrorKind::UserOrPassword.into();
        self.credentials.push(credentials.map_err(invalid));
        self
    }

    /// Allows clients of this network to connect, such as `10.0.0.0/8` or `::1`. After the first call,
    /// only clients of allowed networks can connect. Default: all clients.
    pub fn with_allowed_network(mut self, network: impl Into<String>) -> Self {
        self.networks.push(network.into());
        self
    }

    /// Sets the maximum number of connections: 1 to 65536. Default: 64.
    ///
    /// At the limit, the server closes one connection to accept the new one. It closes the one that
    /// has been inactive for the longest time: it is idle, it has not sent a complete head, or its
    /// client does not read the response. So inactive clients cannot block new ones. If services
    /// are working on a response for every connection, the new connection waits.
    pub fn with_connection_limit(mut self, connections: usize) -> Self {
        self.limits.connections = connections;
        self
    }

    /// Sets how long the head of a request may take after its first byte, and how long a new
    /// connection may be silent: 1 ms to 1 h. Default: 10 s.
    pub fn with_read_timeout(mut self, timeout: Duration) -> Self {
        self.limits.read_timeout = timeout;
        self
    }

    /// Sets how long a client may read nothing of its response: 1 ms to 1 h. Default: 5 s, which is
    /// less than most scrape timeouts.
    pub fn with_write_timeout(mut self, timeout: Duration) -> Self {
        self.limits.write_timeout = timeout;
        self
    }

    /// Sets how long a connection is kept between two requests: 1 ms to 24 h. Default: 5 min.
    ///
    /// It should be longer than the scrape interval. If the server closes the connection while the scraper
    /// sends a request on it, the scrape fails or has to be repeated.
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle_timeout = timeout;
        self
    }

    /// Sets how long responses in progress may take when the server stops: up to 1 h. Default: 5 s.
    pub fn with_grace_period(mut self, period: Duration) -> Self {
        self.limits.grace_period = period;
        self
    }

    /// Binds the address, and serves in tasks of the current Tokio runtime.
    ///
    /// # Errors
    ///
    /// When there is no route, a path does not start with `/` or is used twice, a secret or a network
    /// is malformed, a limit is out of range, a host is malformed or unknown, or the address cannot be
    /// bound. Nothing listens then.
    ///
    /// # Panics
    ///
    /// When polled outside of a Tokio runtime with its IO and time drivers.
    pub async fn start(self) -> Result<Server, ServeError> {
        let Self { address, routes, credentials, networks, limits } = self;
        check_paths(&routes)?;
        let accepted = credentials.into_iter().collect::<Result<Vec<_>, _>>()?;
        let networks = networks
            .iter()
            .map(|text| {
                network::parse(text).ok_or_else(|| ServeErrorKind::Network(redact::text(text)))
            })
            .collect::<Result<Vec<_>, _>>()?;
        limits.check()?;
        let address = address.resolve().await?;
        let cannot_bind = |error| ServeErrorKind::Bind(address, error);
        let listener = TcpListener::bind(address).await.map_err(cannot_bind)?;
        let address = listener.local_addr().map_err(cannot_bind)?;
        if accepted.is_empty() && !address.ip().is_loopback() {
            tracing::warn!(
                "{address} is not a loopback address and there is no authentication: everybody who can connect can read the metrics"
            );
        }
        let routes = Arc::new(Routes { routes, auth: Auth { accepted } });
        let settings = Settings { routes, networks, limits };
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(accept_connections(listener, settings, stopped));
        Ok(Server { address, stop, serving })
    }
}

fn check_paths(routes: &[Route]) -> Result<(), ServeError> {
    if routes.is_empty() {
        return Err(ServeErrorKind::NoRoute.into());
    }
    for (at, Route { path, .. }) in routes.iter().enumerate() {
        let is_visible = path.bytes().all(|byte| byte.is_ascii_graphic());
        if !path.starts_with('/') || !is_visible || path.contains(['?', '#']) {
            return Err(ServeErrorKind::Path(redact::text(path)).into());
        }
        if routes[..at].iter().any(|other| other.path == *path) {
            return Err(ServeErrorKind::DuplicatePath(path.clone()).into());
        }
    }
    Ok(())
}
