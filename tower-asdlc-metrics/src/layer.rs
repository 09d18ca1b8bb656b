use crate::builder::HttpMetricsLayerBuilder;
use crate::handle::Handles;
use crate::request_body::RequestBodyLayer;
use crate::service::HttpMetrics;
use opentelemetry::metrics::Meter;
use std::sync::Arc;
use tower_layer::Layer;

/// Records every request that passes through it; [when and what](crate#what-is-recorded), and [where to put
/// it](crate#where-to-put-it).
///
/// # With axum
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_asdlc_metrics::HttpMetricsLayer;
/// # fn app(meter: &opentelemetry::metrics::Meter) -> Router {
///
/// let app = Router::new()
///     .route("/items/{id}", get(|| async { "an item" }))
///     .layer(HttpMetricsLayer::new(meter));
/// # app }
/// ```
///
/// # With hyper
///
/// Without a router the endpoint is told by a function, or is one name.
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
/// let metrics = HttpMetricsLayer::builder().with_endpoint(Fixed("/upload")).build(meter)?;
/// let service = ServiceBuilder::new().layer(metrics).service(service_fn(upload));
/// let service = TowerToHyperService::new(service);
/// // hyper::server::conn::http1::Builder::new().serve_connection(io, service.clone())
/// # Ok(()) }
/// ```
///
/// # With tonic
///
/// A tonic server runs its layers before it routes, so it is told its methods; all others are one endpoint.
///
/// ```
/// use tonic::transport::Server;
/// use tower_asdlc_metrics::{GrpcMethods, HttpMetricsLayer};
/// # fn build(meter: &opentelemetry::metrics::Meter) -> Result<(), tower_asdlc_metrics::BuildError> {
///
/// let (_reporter, health) = tonic_health::server::health_reporter();
/// let metrics = HttpMetricsLayer::builder()
///     .with_endpoint(GrpcMethods::new(["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"]))
///     .build(meter)?;
/// let server = Server::builder().layer(metrics).add_service(health);
/// # Ok(()) }
/// ```
///
/// Clones share their series, and so do layers made from one meter. Make it once, not for each connection: the meter's provider
/// keeps what it needs to collect from it.
#[derive(Clone, Debug)]
pub struct HttpMetricsLayer {
    handles: Handles,
}

impl HttpMetricsLayer {
    /// The layer with its defaults, which are those of [`builder`](Self::builder).
    ///
    /// With a meter of a provider that collects nothing (`opentelemetry::global::meter` before a provider is set) it
    /// records nothing, for ever.
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        HttpMetricsLayerBuilder::default().unchecked(meter)
    }

    /// A layer to configure.
    pub fn builder() -> HttpMetricsLayerBuilder {
        HttpMetricsLayerBuilder::default()
    }

    /// The layer that records the size of request bodies into the same families; to be put inside of this one.
    ///
    /// It records nothing unless [`with_body_sizes`](HttpMetricsLayerBuilder::with_body_sizes) was asked for.
    #[must_use]
    pub fn request_body_layer(&self) -> RequestBodyLayer {
        RequestBodyLayer::new(Arc::clone(self.handles.here().recorder()))
    }

    pub(crate) fn from_handles(handles: Handles) -> Self {
        Self { handles }
    }
}

impl<S> Layer<S> for HttpMetricsLayer {
    type Service = HttpMetrics<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpMetrics::new(inner, Arc::clone(self.handles.here()))
    }
}
