use crate::labels::endpoint::Endpoint;
#[cfg(feature = "axum")]
use crate::labels::matched_route::MatchedRoute;
#[cfg(feature = "axum")]
use crate::layer::meter_source::MeterSource;
use crate::layer::server_builder::HttpMetricsLayerBuilder;
use crate::record::shard::Shards;
use crate::service::request_body::RequestBodyLayer;
use crate::service::service::HttpMetrics;
use std::sync::Arc;
use tower_layer::Layer;

/// A layer that records every request: see [what and when](crate#what-is-recorded), and [where to put it](crate#where-to-put-it).
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
/// Without a router, the endpoint is fixed or comes from a [function](crate::endpoint_fn).
///
/// ```
/// use http::{Request, Response};
/// use hyper::body::Incoming;
/// use hyper_util::service::TowerToHyperService;
/// use std::convert::Infallible;
/// use tower::{ServiceBuilder, service_fn};
/// use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};
///
/// async fn upload(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
///     Ok(Response::new("stored".to_owned()))
/// }
/// # fn build(meter: &opentelemetry::metrics::Meter) -> Result<(), tower_asdlc_metrics::BuildError> {
///
/// let metrics = HttpMetricsLayer::builder(FixedEndpoint("/upload")).build(meter)?;
/// let service = ServiceBuilder::new().layer(metrics).service(service_fn(upload));
/// let service = TowerToHyperService::new(service);
/// // hyper::server::conn::http1::Builder::new().serve_connection(io, service.clone())
/// # Ok(()) }
/// ```
///
/// # With tonic
///
/// A tonic server runs its layers before it routes, so the layer needs the list of methods. All other methods share one endpoint.
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
/// Clones share their series, and so do layers that were built with the same meter or provider. Build the layer once, not for
/// each connection: the provider holds the flush callback and the series of each layer until the provider is dropped.
#[derive(Clone, Debug)]
pub struct HttpMetricsLayer {
    /// `None` when the layer is off.
    shards: Option<Shards>,
    has_backpressure: bool,
}

impl HttpMetricsLayer {
    /// Creates the layer with default settings, for an axum router. The same as [`builder`](Self::builder) with [`MatchedRoute`].
    ///
    /// `meter` is a [meter or a meter provider](crate::MeterSource):
    ///
    /// ```
    /// use opentelemetry::metrics::MeterProvider;
    /// use opentelemetry_sdk::metrics::SdkMeterProvider;
    /// use tower_asdlc_metrics::HttpMetricsLayer;
    ///
    /// let provider = SdkMeterProvider::default();
    /// let layer = HttpMetricsLayer::new(&provider); // in the scope of this crate
    /// let layer = HttpMetricsLayer::new(&provider.meter("shop")); // in a scope of your own
    /// # let layer = HttpMetricsLayer::new(&opentelemetry::global::meter_provider());
    /// # let dynamic: &dyn MeterProvider = &provider;
    /// # let layer = HttpMetricsLayer::new(dynamic);
    /// ```
    ///
    /// If the meter belongs to a provider that collects nothing (such as `opentelemetry::global::meter` before a provider is
    /// set), the layer never records anything.
    #[cfg(feature = "axum")]
    #[must_use]
    pub fn new<K>(meter: &(impl MeterSource<K> + ?Sized)) -> Self {
        Self::with_shards(Self::builder(MatchedRoute).build_unchecked(meter), false)
    }

    /// Returns a builder, which configures the layer. `endpoint` returns the `endpoint` label of each request.
    pub fn builder(endpoint: impl Endpoint + Send + Sync + 'static) -> HttpMetricsLayerBuilder {
        HttpMetricsLayerBuilder::new(endpoint)
    }

    /// Creates a layer that is off: it creates no instruments and records nothing.
    ///
    /// Use it to turn metrics off by configuration. The service has the same type with and without metrics.
    ///
    /// ```
    /// # use opentelemetry::metrics::Meter;
    /// # use tower_asdlc_metrics::BuildError;
    /// use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};
    ///
    /// fn metrics(enabled: bool, meter: &Meter) -> Result<HttpMetricsLayer, BuildError> {
    ///     if enabled {
    ///         HttpMetricsLayer::builder(FixedEndpoint("/upload")).build(meter)
    ///     } else {
    ///         Ok(HttpMetricsLayer::disabled())
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn disabled() -> Self {
        Self { shards: None, has_backpressure: true }
    }

    /// Returns a layer that records the size of request bodies with the endpoints of this layer. Put it inside of this layer.
    ///
    /// It records nothing without [`with_body_sizes`](HttpMetricsLayerBuilder::with_body_sizes).
    #[must_use]
    pub fn request_body_layer(&self) -> RequestBodyLayer {
        let shards = self.shards.as_ref();
        RequestBodyLayer::new(shards.map(|shards| Arc::clone(shards.recorder())))
    }

    pub(crate) fn with_shards(shards: Shards, has_backpressure: bool) -> Self {
        Self { shards: Some(shards), has_backpressure }
    }
}

impl<S> Layer<S> for HttpMetricsLayer {
    type Service = HttpMetrics<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let shard = self.shards.as_ref().map(|shards| Arc::clone(shards.current()));
        HttpMetrics::new(inner, shard, self.has_backpressure)
    }
}
