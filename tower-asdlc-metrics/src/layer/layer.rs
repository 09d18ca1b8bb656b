use crate::labels::endpoint::Endpoint;
#[cfg(feature = "axum")]
use crate::labels::matched_route::MatchedRoute;
use crate::layer::builder::HttpMetricsLayerBuilder;
use crate::record::handle::Handles;
use crate::service::request_body::RequestBodyLayer;
use crate::service::service::HttpMetrics;
#[cfg(feature = "axum")]
use opentelemetry::metrics::Meter;
use std::sync::Arc;
use tower_layer::Layer;

/// Records every request that passes through it; [when and what](crate#what-is-recorded), and [where to put
/// it](crate#where-to-put-it).
///
/// # With axum
///
/// ```
/// # #[cfg(feature = "axum")]
/// # fn app(meter: &opentelemetry::metrics::Meter) -> axum::Router {
/// use axum::{Router, routing::get};
/// use tower_asdlc_metrics::HttpMetricsLayer;
///
/// let app = Router::new()
///     .route("/items/{id}", get(|| async { "an item" }))
///     .layer(HttpMetricsLayer::new(meter));
/// # app }
/// ```
///
/// # With hyper
///
/// Without a router the endpoint is one name, or comes from a [function](crate::endpoint_fn).
///
/// ```
/// use http::{Request, Response};
/// use hyper::body::Incoming;
/// use hyper_util::service::TowerToHyperService;
/// use std::convert::Infallible;
/// use tower::{ServiceBuilder, service_fn};
/// use tower_asdlc_metrics::{Fixed, HttpMetricsLayer};
///
/// async fn upload(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
///     Ok(Response::new("stored".to_owned()))
/// }
/// # fn build(meter: &opentelemetry::metrics::Meter) -> Result<(), tower_asdlc_metrics::BuildError> {
///
/// let metrics = HttpMetricsLayer::builder(Fixed("/upload")).build(meter)?;
/// let service = ServiceBuilder::new().layer(metrics).service(service_fn(upload));
/// let service = TowerToHyperService::new(service);
/// // hyper::server::conn::http1::Builder::new().serve_connection(io, service.clone())
/// # Ok(()) }
/// ```
///
/// # With tonic
///
/// A tonic server runs its layers before it routes, so the layer needs the list of methods; all others are one endpoint.
///
/// ```
/// use tonic::transport::Server;
/// use tower_asdlc_metrics::{GrpcMethods, HttpMetricsLayer};
/// # fn build(meter: &opentelemetry::metrics::Meter) -> Result<(), tower_asdlc_metrics::BuildError> {
///
/// let (_reporter, health) = tonic_health::server::health_reporter();
/// let methods = ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"];
/// let metrics = HttpMetricsLayer::builder(GrpcMethods::new(methods)).build(meter)?;
/// let server = Server::builder().layer(metrics).add_service(health);
/// # Ok(()) }
/// ```
///
/// Clones share their series, and so do layers made from one meter. Make it once, not for each connection: the meter's provider
/// keeps what it needs to collect from it.
#[derive(Clone, Debug)]
pub struct HttpMetricsLayer {
    /// None when it is off.
    handles: Option<Handles>,
    has_backpressure: bool,
}

impl HttpMetricsLayer {
    /// The layer with its defaults, for an axum router: as `builder(MatchedRoute)`, see [`builder`](Self::builder).
    ///
    /// With a meter of a provider that collects nothing (`opentelemetry::global::meter` before a provider is set) it
    /// records nothing, for ever.
    #[cfg(feature = "axum")]
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        Self::builder(MatchedRoute).unchecked(meter)
    }

    /// A layer to configure, with the [`Endpoint`] that names the endpoints of the requests.
    pub fn builder(endpoint: impl Endpoint + Send + Sync + 'static) -> HttpMetricsLayerBuilder {
        HttpMetricsLayerBuilder::new(endpoint)
    }

    /// A layer that is off: it makes no instrument and records nothing.
    ///
    /// Use it to switch metrics off by configuration. With and without metrics, the service then has the same type.
    ///
    /// ```
    /// # use opentelemetry::metrics::Meter;
    /// # use tower_asdlc_metrics::BuildError;
    /// use tower_asdlc_metrics::{Fixed, HttpMetricsLayer};
    ///
    /// fn metrics(enabled: bool, meter: &Meter) -> Result<HttpMetricsLayer, BuildError> {
    ///     if enabled {
    ///         HttpMetricsLayer::builder(Fixed("/upload")).build(meter)
    ///     } else {
    ///         Ok(HttpMetricsLayer::disabled())
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn disabled() -> Self {
        Self { handles: None, has_backpressure: true }
    }

    /// The layer that records the size of request bodies into the same families; to be put inside of this one.
    ///
    /// It records nothing unless [`with_body_sizes`](HttpMetricsLayerBuilder::with_body_sizes) was asked for.
    #[must_use]
    pub fn request_body_layer(&self) -> RequestBodyLayer {
        RequestBodyLayer::new(
            self.handles.as_ref().map(|handles| Arc::clone(handles.here().recorder())),
        )
    }

    pub(crate) fn new_with(handles: Handles, has_backpressure: bool) -> Self {
        Self { handles: Some(handles), has_backpressure }
    }
}

impl<S> Layer<S> for HttpMetricsLayer {
    type Service = HttpMetrics<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let handle = self.handles.as_ref().map(|handles| Arc::clone(handles.here()));
        HttpMetrics::new(inner, handle, self.has_backpressure)
    }
}
