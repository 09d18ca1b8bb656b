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
    /// Both: each request is recorded in both. Use it while dashboards move from one to the other.
    ///
    /// On a client, three families have the same name in Prometheus in both: `http_client_request_duration_seconds`,
    /// `http_client_request_body_size_bytes` and `http_client_response_body_size_bytes`. A sum over such a family counts each
    /// request twice. Select one convention by a label, `{host!=""}` or `{server_address!=""}`, or give the metric of Prometheus'
    /// convention [another name](crate::LayerBuilder::with_metric_name).
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
