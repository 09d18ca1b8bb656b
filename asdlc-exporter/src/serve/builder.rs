use super::{
    auth::{Credentials, Gate},
    connection::{Settings, serve},
    error::{ServeError, ServeErrorKind},
    limits::Limits,
    routes::{Route, Routes},
};
use crate::redact;
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

/// A small HTTP server; see the [module](super).
#[derive(Debug)]
#[non_exhaustive]
pub struct Server {}

impl Server {
    /// Starts with the defaults in the [module's table](super) and no route.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            address: (Ipv4Addr::LOCALHOST, 9464).into(),
            routes: Vec::new(),
            ways: Vec::new(),
            networks: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// Settings of a [`Server`].
///
/// ```no_run
/// use asdlc_exporter::{Exporter, serve::Server};
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("agent").build()?;
/// let listening = Server::builder()
///     .with_address(([0, 0, 0, 0], 8080).into())
///     .with_route("/metrics", exporter.scrape_service())
///     .with_bearer_token(std::fs::read_to_string("/run/secrets/token")?.trim())
///     .with_allowed_network("10.0.0.0/8")
///     .start()
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "nothing listens before `start`"]
pub struct ServerBuilder {
    address: SocketAddr,
    routes: Vec<Route>,
    ways: Vec<Result<Credentials, ServeError>>,
    networks: Vec<String>,
    limits: Limits,
}

impl ServerBuilder {
    /// Where to listen; port 0 is any free one. Default: 127.0.0.1:9464.
    pub fn with_address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// What answers at exactly this path, whatever the method.
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

    /// Answers only requests with `Authorization: Bearer` and this token, on every path.
    ///
    /// With several tokens, users or both, any one of them will do. Secrets are compared in
    /// constant time, but for their length, and cross the network as they are: there is no TLS.
    pub fn with_bearer_token(mut self, token: &str) -> Self {
        self.ways.push(Credentials::bearer(token));
        self
    }

    /// Answers only requests with `Authorization: Basic` and this user and password; see
    /// [`with_bearer_token`](Self::with_bearer_token).
    pub fn with_basic_auth(mut self, user: &str, password: &str) -> Self {
        self.ways.push(Credentials::basic(user, password));
        self
    }

    /// Lets clients of this network connect, such as `10.0.0.0/8` or `::1`, and of the others that
    /// are allowed: as soon as there is one, everybody else is cut off.
    pub fn with_allowed_network(mut self, network: impl Into<String>) -> Self {
        self.networks.push(network.into());
        self
    }

    /// How many connections there are at a time, 1 to 65536. Default: 64.
    ///
    /// At the limit, a new connection replaces an old one. A client is a candidate if it is idle, has not
    /// sent a complete head, or does not read its answer. The server disconnects the candidate that has
    /// been in this state for the longest time. So inactive clients cannot block new ones. If services are
    /// working on an answer for every connection, the new connection waits.
    pub fn with_connection_limit(mut self, connections: usize) -> Self {
        self.limits.connections = connections;
        self
    }

    /// How long the head of a request may take, from its first byte on, and how long a new
    /// connection may be silent, 1 ms to 1 h. Default: 10 s.
    pub fn with_read_timeout(mut self, timeout: Duration) -> Self {
        self.limits.read_timeout = timeout;
        self
    }

    /// How long a client may take nothing of its answer, 1 ms to 1 h. Default: 5 s, which is less
    /// than most scrape timeouts.
    pub fn with_write_timeout(mut self, timeout: Duration) -> Self {
        self.limits.write_timeout = timeout;
        self
    }

    /// How long a connection is kept between two requests, 1 ms to 24 h. Default: 5 min.
    ///
    /// It should be longer than the scrape interval. A scraper that sends a request on a connection
    /// while it is closed loses that scrape, or has to repeat it.
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.limits.idle_timeout = timeout;
        self
    }

    /// How long answers in progress may take when the server stops, up to 1 h. Default: 5 s.
    pub fn with_grace_period(mut self, period: Duration) -> Self {
        self.limits.grace_period = period;
        self
    }

    /// Binds the address and serves, in tasks of the current Tokio runtime.
    ///
    /// # Errors
    ///
    /// When there is no route, a path does not begin with `/` or is given twice, a secret or a
    /// network is malformed, a limit is out of its range, or the address cannot be bound: nothing listens then.
    ///
    /// # Panics
    ///
    /// When polled outside of a Tokio runtime with its IO and time drivers.
    pub async fn start(self) -> Result<Listening, ServeError> {
        let Self { address, routes, ways, networks, limits } = self;
        check_paths(&routes)?;
        let ways = ways.into_iter().collect::<Result<Vec<_>, _>>()?;
        let networks = networks
            .into_iter()
            .map(|text| text.parse().map_err(|()| ServeErrorKind::Network(redact::text(&text))))
            .collect::<Result<Vec<_>, _>>()?;
        limits.check()?;
        let bind = |error| ServeErrorKind::Bind(address, error);
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        if ways.is_empty() && !address.ip().is_loopback() {
            tracing::warn!(
                "{address} is not a loopback address and there is no authentication: who reaches it reads it"
            );
        }
        let routes = Routes { routes, gate: Gate { ways } };
        let settings = Settings { routes, networks, limits };
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(serve(listener, Arc::new(settings), stopped));
        Ok(Listening { address, stop, serving })
    }
}

fn check_paths(routes: &[Route]) -> Result<(), ServeError> {
    if routes.is_empty() {
        return Err(ServeErrorKind::NoRoute.into());
    }
    for (at, Route { path, .. }) in routes.iter().enumerate() {
        let visible = path.bytes().all(|byte| byte.is_ascii_graphic());
        if !path.starts_with('/') || !visible || path.contains(['?', '#']) {
            return Err(ServeErrorKind::Path(redact::text(path)).into());
        }
        if routes[..at].iter().any(|other| other.path == *path) {
            return Err(ServeErrorKind::DuplicatePath(path.clone()).into());
        }
    }
    Ok(())
}

/// A server at work. Dropping it stops the server, too, without waiting for that.
#[derive(Debug)]
#[must_use = "dropping it stops the server"]
pub struct Listening {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Listening {
    /// Where it listens, with the port that was found for port 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening, lets answers in progress come to their end within the [grace
    /// period](ServerBuilder::with_grace_period), and returns when all connections are closed.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.serving.await;
    }
}
