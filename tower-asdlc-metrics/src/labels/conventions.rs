/// The names of the metrics and labels that a layer records.
///
/// ```
/// use tower_asdlc_metrics::{Conventions, FixedEndpoint, HttpMetricsLayer};
/// # fn build(meter: &opentelemetry::metrics::Meter) -> Result<HttpMetricsLayer, tower_asdlc_metrics::BuildError> {
///
/// let layer = HttpMetricsLayer::builder(FixedEndpoint("/upload"))
///     .with_conventions(Conventions::OpenTelemetry)
///     .build(meter)?;
/// # Ok(layer) }
/// ```
///
/// See [what each of them records](crate#opentelemetrys-conventions).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Conventions {
    /// The names that Prometheus' documentation recommends: `http_requests_total{method,endpoint,status}`.
    #[default]
    Prometheus,
    /// [OpenTelemetry's semantic conventions](https://opentelemetry.io/docs/specs/semconv/http/http-metrics/) for HTTP and RPC:
    /// `http.server.request.duration` and `rpc.server.call.duration`, and on a client `http.client.request.duration` and
    /// `rpc.client.call.duration`.
    OpenTelemetry,
    /// Both, for as long as dashboards move from one to the other. Each request is recorded in both.
    Both,
}

impl Conventions {
    pub(crate) fn has_prometheus(self) -> bool {
        self != Self::OpenTelemetry
    }

    pub(crate) fn has_open_telemetry(self) -> bool {
        self != Self::Prometheus
    }
}
