use crate::error::BuildError;
use crate::labels::endpoint::Endpoint;
use crate::labels::request_head::RequestHead;
use crate::labels::side::Side;
use crate::layer::builder::{LayerBuilder, ServerSide};
use crate::layer::layer::HttpMetricsLayer;
use crate::layer::meter_source::MeterSource;
use crate::record::settings::ReadScheme;
use http::uri::Scheme;

/// Configures an [`HttpMetricsLayer`](crate::HttpMetricsLayer): a [`LayerBuilder`] of a server.
///
/// ```
/// use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};
/// # fn build(meter: &opentelemetry::metrics::Meter) -> Result<HttpMetricsLayer, tower_asdlc_metrics::BuildError> {
///
/// let layer = HttpMetricsLayer::builder(FixedEndpoint("/upload"))
///     .with_boundaries([0.01, 0.1, 1.0, 10.0])
///     .without_paths(["/health"])
///     .build(meter)?;
/// # Ok(layer) }
/// ```
pub type HttpMetricsLayerBuilder = LayerBuilder<ServerSide>;

impl LayerBuilder<ServerSide> {
    pub(crate) fn new(endpoint: impl Endpoint + Send + Sync + 'static) -> Self {
        Self::of(Side::Server, endpoint)
    }

    /// Sets how the layer finds the scheme of the URL that the client requested, for `url.scheme` of OpenTelemetry's conventions.
    ///
    /// By default it is the scheme of the request's URI. HTTP/1 requests to a server have none, and count as `http`. Set the
    /// scheme if TLS ends within the server or in a proxy in front of it:
    ///
    /// ```
    /// use http::uri::Scheme;
    /// use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};
    ///
    /// let builder = HttpMetricsLayer::builder(FixedEndpoint("/upload")).with_url_scheme(|_| Scheme::HTTPS);
    /// ```
    ///
    /// Any other scheme than `https` counts as `http`. If the function panics, the scheme is `http`.
    pub fn with_url_scheme(
        mut self,
        scheme: impl for<'a> Fn(RequestHead<'a>) -> Scheme + Send + Sync + 'static,
    ) -> Self {
        self.settings.url_scheme = Some(ReadScheme(Box::new(scheme)));
        self
    }

    /// Adds the label `host`: the host that the client named in the URI or in the header `Host`, if it is in this list. All other
    /// hosts are `_OTHER`. At most 100 hosts can be listed. In OpenTelemetry's conventions, the host is in `server.address` and
    /// `server.port`.
    ///
    /// ```
    /// use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};
    ///
    /// let builder = HttpMetricsLayer::builder(FixedEndpoint("/upload"))
    ///     .with_hosts(["shop.example", "shop.example:8443"]);
    /// ```
    ///
    /// A listed host without a port stands for the default port of the request's scheme: 80 or 443.
    pub fn with_hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.hosts.listed = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Turns on `http_upgraded_connections_in_flight{method,endpoint}` and
    /// `http_upgraded_connection_duration_seconds{method,endpoint}`: `WebSocket`s and other connections that outlive their
    /// request. The handler must hold the [`UpgradeGuard`](crate::UpgradeGuard) of the request. The duration histogram has the
    /// boundaries 1 s, 5 s, 15 s, 1 min, 5 min, 15 min, 1 h, 4 h and 1 d.
    pub fn with_upgrades(mut self) -> Self {
        self.metrics.upgrades = true;
        self
    }

    /// Makes the layer ready only when the inner service is ready.
    ///
    /// By default the layer is always ready: a request that has to wait for the inner service (for a permit of a concurrency
    /// limit, for example) waits within the layer, where it is timed and in flight. With backpressure it waits outside of the
    /// layer, and no metric includes this wait. A load shedder or a load balancer outside of the layer needs backpressure.
    pub fn with_backpressure(mut self) -> Self {
        self.has_backpressure = true;
        self
    }

    /// Builds a layer that records into `meter`, which is a [meter or a meter provider](MeterSource).
    ///
    /// # Errors
    /// If a boundary, a name, a label, a method, a host, a path or a number is invalid, or if a setting does not fit the
    /// conventions. The error says which one, and what is allowed.
    pub fn build<K>(
        self,
        meter: &(impl MeterSource<K> + ?Sized),
    ) -> Result<HttpMetricsLayer, BuildError> {
        let has_backpressure = self.has_backpressure;
        Ok(HttpMetricsLayer::with_shards(self.build_shards(meter)?, has_backpressure))
    }
}
