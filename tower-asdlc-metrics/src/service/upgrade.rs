//! Connections that were upgraded, which outlive the request that asked for it.

use crate::record::recorder::Recorder;
use crate::record::route_table::Slot;
use http::header::UPGRADE;
use http::{Extensions, Method, Request};
use std::future::Future;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

/// Held for as long as an upgraded connection lives: a `WebSocket`, a `CONNECT` tunnel, HTTP/2's extended `CONNECT`.
///
/// The layer sees the handshake and nothing of what follows: the connection is then in the hands of the handler. So with
/// [`with_upgrades`](crate::HttpMetricsLayerBuilder::with_upgrades) each request that asks for an upgrade has one of these, and the
/// handler holds it for as long as it has the connection.
///
/// ```
/// # #[cfg(feature = "axum")]
/// # mod with_axum {
/// use axum::{Router, extract::WebSocketUpgrade, extract::ws::WebSocket, response::Response, routing::get};
/// use tower_asdlc_metrics::{Fixed, HttpMetricsLayer, UpgradeGuard};
///
/// async fn chat(upgrade: WebSocketUpgrade, guard: UpgradeGuard) -> Response {
///     upgrade.on_upgrade(|socket| guard.hold(echo(socket)))
/// }
///
/// async fn echo(mut socket: WebSocket) {
///     while let Some(Ok(message)) = socket.recv().await {
///         if socket.send(message).await.is_err() {
///             break;
///         }
///     }
/// }
/// # fn app(meter: &opentelemetry::metrics::Meter) -> Result<Router, tower_asdlc_metrics::BuildError> {
///
/// let metrics = HttpMetricsLayer::builder(Fixed("/chat")).with_upgrades().build(meter)?;
/// let app = Router::new().route("/chat", get(chat)).layer(metrics);
/// # Ok(app) }
/// # }
/// ```
///
/// Without axum it is the guard [of the request](Self::of):
///
/// ```
/// use http::{Request, Response, StatusCode};
/// use http_body_util::Empty;
/// use hyper::{body::Incoming, upgrade::Upgraded};
/// use tower_asdlc_metrics::UpgradeGuard;
///
/// async fn tunnel(mut request: Request<Incoming>) -> Response<Empty<&'static [u8]>> {
///     let guard = UpgradeGuard::of(&request);
///     tokio::spawn(guard.hold(async move {
///         if let Ok(connection) = hyper::upgrade::on(&mut request).await {
///             talk(connection).await;
///         }
///     }));
///     let mut response = Response::new(Empty::new());
///     *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
///     response
/// }
/// # async fn talk(_: Upgraded) {}
/// ```
///
/// A connection is counted from the response's head until the last clone of its guard is dropped, in
/// `http_upgraded_connections_in_flight`, and then in `http_upgraded_connection_duration_seconds`. It is not counted if the
/// handler does not upgrade, or if the handler holds no guard when it returns the response.
#[derive(Clone, Debug, Default)]
pub struct UpgradeGuard(Option<Arc<Connection>>);

impl UpgradeGuard {
    /// The guard of this request. It holds nothing if the request asks for no upgrade, if the layer was not told to count
    /// upgrades, or if there is no layer.
    #[must_use = "the connection is not counted unless the guard is held"]
    pub fn of<B>(request: &Request<B>) -> Self {
        Self::in_extensions(request.extensions())
    }

    /// Runs `future`, and holds the guard until it has ended or is dropped.
    pub async fn hold<F: Future>(self, future: F) -> F::Output {
        let _guard = self;
        future.await
    }

    fn in_extensions(extensions: &Extensions) -> Self {
        extensions.get().map_or_else(Self::default, Ticket::guard)
    }

    /// Of a request that asks for an upgrade. Its handler can have the same.
    pub(crate) fn insert<B>(request: &mut Request<B>) -> Option<Self> {
        // HTTP/2 has no other way than CONNECT.
        if request.method() != Method::CONNECT && !request.headers().contains_key(UPGRADE) {
            return None;
        }
        // That of a layer outside of this one is held with ours.
        let outer = Self::in_extensions(request.extensions());
        let connection = Arc::new(Connection { opened: OnceLock::new(), _outer: outer });
        request.extensions_mut().insert(Ticket(Arc::downgrade(&connection)));
        Some(Self(Some(connection)))
    }

    /// The handler has upgraded the connection. Nothing is counted if it holds no guard: this one is the layer's.
    pub(crate) fn open(self, recorder: &Arc<Recorder>, route: Slot) {
        if let Some(connection) = self.0.filter(|connection| Arc::strong_count(connection) > 1) {
            recorder.upgrade_opened(route);
            let opened = Opened { recorder: Arc::clone(recorder), route, start: Instant::now() };
            // It is empty: a layer opens what it has inserted, once.
            _ = connection.opened.set(opened);
        }
    }
}

/// So that a handler can have it as an argument, whether the request asks for an upgrade or not.
#[cfg(feature = "axum")]
impl<S: Sync> axum::extract::FromRequestParts<S> for UpgradeGuard {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        _: &S,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self::in_extensions(&parts.extensions))
    }
}

/// In the extensions of a request. Not a guard: a request may be kept by somebody who knows nothing of guards, or be dropped
/// early by somebody who has the connection.
#[derive(Clone, Debug)]
struct Ticket(Weak<Connection>);

impl Ticket {
    fn guard(&self) -> UpgradeGuard {
        UpgradeGuard(self.0.upgrade())
    }
}

/// One for all clones of a guard.
#[derive(Debug)]
struct Connection {
    opened: OnceLock<Opened>,
    _outer: UpgradeGuard,
}

/// A connection that is counted.
#[derive(Debug)]
struct Opened {
    recorder: Arc<Recorder>,
    route: Slot,
    start: Instant,
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.recorder.upgrade_closed(self.route, self.start.elapsed());
    }
}
