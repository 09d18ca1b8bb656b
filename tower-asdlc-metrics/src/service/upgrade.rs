//! Upgraded connections, which outlive the requests that opened them.

use crate::record::exemplars::SpanIds;
use crate::record::recorder::Recorder;
use crate::record::route_table::RouteId;
use http::header::UPGRADE;
use http::{Extensions, Method, Request};
use std::future::Future;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

/// A guard that a handler holds for as long as an upgraded connection is open: a `WebSocket`, a `CONNECT` tunnel, or HTTP/2's
/// extended `CONNECT`.
///
/// The layer sees the handshake, but not the connection, which the handler takes over. With
/// [`with_upgrades`](crate::HttpMetricsLayerBuilder::with_upgrades), each request for an upgrade has such a guard.
///
/// ```
/// # #[cfg(feature = "axum")]
/// # mod with_axum {
/// use axum::{Router, extract::WebSocketUpgrade, extract::ws::WebSocket, response::Response, routing::get};
/// use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer, UpgradeGuard};
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
/// let metrics = HttpMetricsLayer::builder(FixedEndpoint("/chat")).with_upgrades().build(meter)?;
/// let app = Router::new().route("/chat", get(chat)).layer(metrics);
/// # Ok(app) }
/// # }
/// ```
///
/// Without axum, get the guard [of the request](Self::of):
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
/// The connection is counted in `http_upgraded_connections_in_flight` from the response's head until the last clone of the
/// guard is dropped. Then its duration is recorded in `http_upgraded_connection_duration_seconds`.
///
/// It is not counted if the handler does not upgrade the connection, or holds no guard when it returns the response.
#[derive(Clone, Debug, Default)]
pub struct UpgradeGuard(Option<Arc<Upgrade>>);

impl UpgradeGuard {
    /// Returns the guard of this request. It does nothing if the request is not for an upgrade, if the layer does not count
    /// upgrades, or if there is no layer.
    #[must_use = "the connection is not counted unless the guard is held"]
    pub fn of<B>(request: &Request<B>) -> Self {
        Self::in_extensions(request.extensions())
    }

    /// Runs `future`, and holds the guard until the future is ready or dropped.
    pub async fn hold<F: Future>(self, future: F) -> F::Output {
        let _guard = self;
        future.await
    }

    fn in_extensions(extensions: &Extensions) -> Self {
        extensions.get().map_or_else(Self::default, GuardExtension::guard)
    }

    /// Inserts a guard into the extensions of a request for an upgrade, where its handler finds it.
    pub(crate) fn insert<B>(request: &mut Request<B>) -> Option<Self> {
        // HTTP/1 has the header; HTTP/2 has only CONNECT.
        if request.method() != Method::CONNECT && !request.headers().contains_key(UPGRADE) {
            return None;
        }
        // Each guard holds the guard of the next outer layer.
        let outer = Self::in_extensions(request.extensions());
        let upgrade = Arc::new(Upgrade { connection: OnceLock::new(), _outer: outer });
        request.extensions_mut().insert(GuardExtension(Arc::downgrade(&upgrade)));
        Some(Self(Some(upgrade)))
    }

    /// The handler has upgraded the connection. It is counted only if the handler holds a guard, besides the layer's own guard.
    ///
    /// The measurement of its duration will belong to this span.
    pub(crate) fn open(self, recorder: &Arc<Recorder>, route: RouteId, span: Option<SpanIds>) {
        if let Some(upgrade) = self.0.filter(|upgrade| Arc::strong_count(upgrade) > 1) {
            recorder.upgraded_connection_opened(route);
            let recorder = Arc::clone(recorder);
            // Never set before: only the layer that inserted the guard opens it, once.
            let start = Instant::now();
            _ = upgrade.connection.set(OpenConnection { recorder, route, start, span });
        }
    }
}

/// A handler can have the guard as an argument, whether the request is for an upgrade or not.
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

/// The extension of a request. Weak, so that the lifetime of the request does not matter. Code that does not know the guard may
/// keep the request, and a handler may drop the request and keep the connection.
#[derive(Clone, Debug)]
struct GuardExtension(Weak<Upgrade>);

impl GuardExtension {
    fn guard(&self) -> UpgradeGuard {
        UpgradeGuard(self.0.upgrade())
    }
}

/// What all clones of a guard share.
#[derive(Debug)]
struct Upgrade {
    /// Set by [`UpgradeGuard::open`].
    connection: OnceLock<OpenConnection>,
    _outer: UpgradeGuard,
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
struct OpenConnection {
    recorder: Arc<Recorder>,
    route: RouteId,
    start: Instant,
    /// Of the request.
    span: Option<SpanIds>,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let Self { recorder, route, start, span } = self;
        recorder.upgraded_connection_closed(*route, start.elapsed(), *span);
    }
}
