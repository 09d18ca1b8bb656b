use crate::builder::HttpMetricsLayerBuilder;
use crate::in_flight::Lanes;
use crate::request_body::RequestBodyLayer;
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
/// Clones share their series, and so do layers made from one meter.
#[derive(Clone, Debug)]
pub struct HttpMetricsLayer {
    lanes: Arc<Lanes>,
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
        RequestBodyLayer::new(Arc::clone(self.lanes.recorder()))
    }

    pub(crate) fn from_lanes(lanes: Arc<Lanes>) -> Self {
        Self { lanes }
    }
}

impl<S> Layer<S> for HttpMetricsLayer {
    type Service = HttpMetrics<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpMetrics::new(inner, Arc::clone(&self.lanes))
    }
}
