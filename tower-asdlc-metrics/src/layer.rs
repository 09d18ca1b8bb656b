use crate::endpoint::{AnyEndpoint, Endpoint, MatchedRoute};
use crate::error::BuildError;
use crate::instruments::{DEFAULT_BOUNDARIES, Instruments};
use crate::recorder::Recorder;
use crate::service::HttpMetrics;
use opentelemetry::metrics::Meter;
use std::sync::Arc;
use tower_layer::Layer;

/// Records every request that passes through it.
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
/// Clones share their series.
#[derive(Clone, Debug)]
pub struct HttpMetricsLayer {
    recorder: Arc<Recorder>,
}

impl HttpMetricsLayer {
    /// The layer with its defaults: [`MatchedRoute`] endpoints, buckets from 5 ms to 10 s.
    ///
    /// Of a meter from a provider that collects nothing (`opentelemetry::global::meter` before a provider is set) the layer
    /// records nothing, for ever.
    #[must_use]
    pub fn new(meter: &Meter) -> Self {
        Self::builder().unchecked(meter)
    }

    /// A layer to configure.
    pub fn builder() -> HttpMetricsLayerBuilder {
        HttpMetricsLayerBuilder {
            boundaries: DEFAULT_BOUNDARIES.to_vec(),
            endpoint: AnyEndpoint::new(MatchedRoute),
        }
    }
}

impl<S> Layer<S> for HttpMetricsLayer {
    type Service = HttpMetrics<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpMetrics::new(inner, Arc::clone(&self.recorder))
    }
}

/// Configures a [`HttpMetricsLayer`].
///
/// ```
/// use tower_asdlc_metrics::{Fixed, HttpMetricsLayer};
/// # fn build(meter: &opentelemetry::metrics::Meter) -> Result<HttpMetricsLayer, tower_asdlc_metrics::BuildError> {
///
/// let layer = HttpMetricsLayer::builder()
///     .with_boundaries([0.01, 0.1, 1.0, 10.0])
///     .with_endpoint(Fixed("/upload"))
///     .build(meter)?;
/// # Ok(layer) }
/// ```
#[derive(Debug)]
#[must_use = "it does nothing until it is built"]
pub struct HttpMetricsLayerBuilder {
    boundaries: Vec<f64>,
    endpoint: AnyEndpoint,
}

impl HttpMetricsLayerBuilder {
    /// The upper bounds of the latency buckets, in seconds, ascending; `+Inf` is added. By default Prometheus' own: 0.005,
    /// 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10.
    pub fn with_boundaries(mut self, boundaries: impl IntoIterator<Item = f64>) -> Self {
        self.boundaries = boundaries.into_iter().collect();
        self
    }

    /// Where the `endpoint` label comes from. By default the route that the router [matched](MatchedRoute).
    pub fn with_endpoint(mut self, endpoint: impl Endpoint + Send + Sync + 'static) -> Self {
        self.endpoint = AnyEndpoint::new(endpoint);
        self
    }

    /// The layer that records into `meter`.
    ///
    /// # Errors
    /// When a boundary is not a finite number above the one before it: OpenTelemetry would answer with an instrument that
    /// records nothing.
    pub fn build(self, meter: &Meter) -> Result<HttpMetricsLayer, BuildError> {
        BuildError::check_boundaries(&self.boundaries)?;
        Ok(self.unchecked(meter))
    }

    fn unchecked(self, meter: &Meter) -> HttpMetricsLayer {
        let Self { boundaries, endpoint } = self;
        let instruments = Instruments::new(meter, boundaries);
        HttpMetricsLayer { recorder: Arc::new(Recorder::new(instruments, endpoint, MAX_SERIES)) }
    }
}

/// Below the SDK's own limit (2 000 for each instrument) with room for the overflow series: what is bound past that
/// limit would stay in the SDK's overflow series for ever.
const MAX_SERIES: usize = 1_000;
