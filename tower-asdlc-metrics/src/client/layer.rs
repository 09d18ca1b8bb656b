use crate::client::builder::HttpClientMetricsLayerBuilder;
use crate::client::service::HttpClientMetrics;
use crate::layer::meter_source::MeterSource;
use crate::record::shard::Shards;
use crate::service::request_body::RequestBodyLayer;
use std::sync::Arc;
use tower_layer::Layer;

/// A layer that records every request that a client sends: see
/// [what and when](crate#clients).
///
/// It is a layer for any `Service<http::Request<_>>` that returns an `http::Response<_>`.
///
/// # With hyper-util's client
///
/// ```no_run
/// use http_body_util::Empty;
/// use hyper::body::Bytes;
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use tower::{Service, ServiceBuilder, ServiceExt};
/// use tower_asdlc_metrics::HttpClientMetricsLayer;
/// # async fn get(provider: opentelemetry_sdk::metrics::SdkMeterProvider) -> Result<(), Box<dyn std::error::Error>> {
///
/// let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
/// let mut client = ServiceBuilder::new()
///     .layer(HttpClientMetricsLayer::new(&provider))
///     .service(client);
///
/// let request = http::Request::get("http://artifacts:8080/report").body(Empty::new())?;
/// let response = client.ready().await?.call(request).await?;
/// # Ok(()) }
/// ```
///
/// # With reqwest
///
/// reqwest's client is a service of its own request type. This service converts both ways:
///
/// ```no_run
/// use http::{Request, Response};
/// use reqwest::Body;
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_asdlc_metrics::{ClientErrorType, HttpClientMetricsLayer};
/// # async fn get(provider: opentelemetry_sdk::metrics::SdkMeterProvider) -> Result<(), Box<dyn std::error::Error>> {
///
/// let metrics = HttpClientMetricsLayer::builder()
///     .with_error_type(|error: &reqwest::Error| {
///         if error.is_connect() {
///             Some(ClientErrorType::Connect)
///         } else if error.is_timeout() {
///             Some(ClientErrorType::Timeout)
///         } else {
///             None
///         }
///     })
///     .build(&provider)?;
/// let client = reqwest::Client::new();
/// let service = ServiceBuilder::new().layer(metrics).service_fn(move |request: Request<Body>| {
///     let client = client.clone();
///     async move {
///         let response = client.execute(request.try_into()?).await?;
///         Ok::<Response<Body>, reqwest::Error>(response.into())
///     }
/// });
///
/// let request = Request::get("http://artifacts:8080/report").body(Body::default())?;
/// let response = service.oneshot(request).await?;
/// # Ok(()) }
/// ```
///
/// reqwest follows redirects itself: they are one request.
///
/// # With tonic
///
/// Requests to a [`Channel`](tonic::transport::Channel) name no host, so `with_default_host` sets it. tonic's generated clients
/// add the method to each request, and `TonicMethod` reads it.
///
/// ```no_run
/// # #[cfg(feature = "tonic")]
/// # async fn check(provider: opentelemetry_sdk::metrics::SdkMeterProvider) -> Result<(), Box<dyn std::error::Error>> {
/// use tonic::transport::Channel;
/// use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
/// use tower::ServiceBuilder;
/// use tower_asdlc_metrics::{HttpClientMetricsLayer, TonicMethod};
///
/// let metrics = HttpClientMetricsLayer::builder()
///     .with_default_host("inventory:50051")
///     .with_endpoint(TonicMethod)
///     .with_tonic_errors()
///     .build(&provider)?;
/// let channel = Channel::from_static("http://inventory:50051").connect_lazy();
/// let mut client = HealthClient::new(ServiceBuilder::new().layer(metrics).service(channel));
/// client.check(HealthCheckRequest::default()).await?;
/// # Ok(()) }
/// ```
///
/// Clones share their series, and so do layers that were built with the same meter or provider. Build the layer once, not for
/// each client: the provider holds the flush callback and the series of each layer until the provider is dropped.
#[derive(Clone, Debug)]
pub struct HttpClientMetricsLayer {
    /// `None` when the layer is off.
    shards: Option<Shards>,
}

impl HttpClientMetricsLayer {
    /// Creates the layer with default settings.
    ///
    /// `meter` is a [meter or a meter provider](MeterSource). If the meter belongs to a provider that collects nothing, the layer
    /// never records anything.
    #[must_use]
    pub fn new<K>(meter: &(impl MeterSource<K> + ?Sized)) -> Self {
        Self::with_shards(Self::builder().build_default(meter))
    }

    /// Returns a builder, which configures the layer.
    pub fn builder() -> HttpClientMetricsLayerBuilder {
        HttpClientMetricsLayerBuilder::new()
    }

    /// Creates a layer that is off: it creates no instruments and records nothing. The service has the same type with and
    /// without metrics.
    #[must_use]
    pub fn disabled() -> Self {
        Self { shards: None }
    }

    /// Returns a layer that records the size of request bodies with the labels of this layer. Put it inside of this layer.
    ///
    /// It records nothing without [`with_body_sizes`](crate::LayerBuilder::with_body_sizes).
    #[must_use]
    pub fn request_body_layer(&self) -> RequestBodyLayer {
        let shards = self.shards.as_ref();
        RequestBodyLayer::new(shards.map(|shards| Arc::clone(shards.recorder())))
    }

    pub(crate) fn with_shards(shards: Shards) -> Self {
        Self { shards: Some(shards) }
    }
}

impl<S> Layer<S> for HttpClientMetricsLayer {
    type Service = HttpClientMetrics<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let shard = self.shards.as_ref().map(|shards| Arc::clone(shards.current()));
        HttpClientMetrics::new(inner, shard)
    }
}
