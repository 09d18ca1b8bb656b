use crate::error::BuildError;
use crate::labels::endpoint::{AnyEndpoint, Endpoint};
use crate::labels::exclusions::Exclusions;
use crate::labels::label_key::ENDPOINT;
use crate::labels::methods::Methods;
use crate::labels::request_head::RequestHead;
use crate::labels::user_label::UserLabel;
use crate::layer::check::{check_boundaries, check_settings};
use crate::layer::layer::HttpMetricsLayer;
use crate::layer::meter_source::MeterSource;
use crate::record::instruments::{
    DEFAULT_BOUNDARIES, Instruments, OptionalMetrics, call_before_collections,
};
use crate::record::recorder::Recorder;
use crate::record::settings::Settings;
use crate::record::shard::Shards;
use http::Method;
use opentelemetry::metrics::Meter;
use std::fmt;

/// Configures an [`HttpMetricsLayer`].
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
#[must_use = "it does nothing until it is built"]
pub struct HttpMetricsLayerBuilder {
    settings: Settings,
    boundaries: Vec<f64>,
    optional: OptionalMetrics,
    has_backpressure: bool,
}

impl HttpMetricsLayerBuilder {
    pub(crate) fn new(endpoint: impl Endpoint + Send + Sync + 'static) -> Self {
        Self {
            settings: Settings {
                endpoint: AnyEndpoint::new(endpoint),
                endpoint_key: ENDPOINT.into(),
                methods: Methods::default(),
                user_labels: Vec::new(),
                exclusions: Exclusions::default(),
                streaming_endpoints: Vec::new(),
                max_series: 1_000,
            },
            boundaries: DEFAULT_BOUNDARIES.to_vec(),
            optional: OptionalMetrics {
                in_flight: true,
                time_to_headers: false,
                body_sizes: false,
                upgrades: false,
            },
            has_backpressure: false,
        }
    }

    /// Sets the upper bounds of the latency buckets, in seconds and ascending; `+Inf` is added. The default boundaries are those of
    /// Prometheus: 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10.
    pub fn with_boundaries(mut self, boundaries: impl IntoIterator<Item = f64>) -> Self {
        self.boundaries = boundaries.into_iter().collect();
        self
    }

    /// Adds methods, such as `PURGE`, that get a label value of their own, as the nine standard methods do. All other methods
    /// are counted as `_OTHER`. At most 16 methods can be added.
    pub fn with_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.settings.methods.additional.extend(methods);
        self
    }

    /// Adds a label of your own: its key, its possible values, and a function that reads its value from a request. All metrics
    /// except `http_requests_in_flight` have the label. Its value is `_OTHER` if the function returns any other value, returns
    /// `None`, or panics. At most four labels can be added, with at most 100 values each.
    ///
    /// ```
    /// use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};
    ///
    /// let builder = HttpMetricsLayer::builder(FixedEndpoint("/upload"))
    ///     .with_label("plan", ["free", "paid"], |head| head.headers.get("x-plan")?.to_str().ok());
    /// ```
    pub fn with_label<V: Into<String>>(
        mut self,
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
        value: impl for<'a> Fn(RequestHead<'a>) -> Option<&'a str> + Send + Sync + 'static,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.settings.user_labels.push(UserLabel {
            key: key.into(),
            values,
            read: Box::new(value),
        });
        self
    }

    /// Sets the key of the label `endpoint`: `route`, for example.
    ///
    /// ```
    /// use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};
    ///
    /// let builder = HttpMetricsLayer::builder(FixedEndpoint("/upload")).with_endpoint_label("route");
    /// ```
    ///
    /// The Prometheus operators for Kubernetes give targets the labels `service` and `endpoint`. Prometheus then stores a scraped
    /// `endpoint` as `exported_endpoint`, unless the scrape configuration has `honor_labels: true`. With another key, it stores
    /// both labels under their own keys.
    pub fn with_endpoint_label(mut self, key: impl Into<String>) -> Self {
        self.settings.endpoint_key = key.into();
        self
    }

    /// Excludes requests to these paths. They are in no metric, and cost only the comparison.
    ///
    /// The layer compares the path of the request, without the query. Inside an axum `nest` the path [has the
    /// prefix](RequestHead::uri), if the feature `axum` is on.
    pub fn without_paths<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.settings.exclusions.paths.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Excludes the requests for which the function returns `true`. If the function panics, the request is recorded.
    pub fn without_requests(
        mut self,
        excluded: impl for<'a> Fn(RequestHead<'a>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.settings.exclusions.predicates.push(Box::new(excluded));
        self
    }

    /// Marks endpoints as streams, which last until the client leaves: server-sent events, gRPC watches, long polls.
    ///
    /// Their requests are counted like all others, with two differences:
    ///
    /// - They are not in `http_request_duration_seconds`, where they would distort the latency of other requests.
    /// - A client that leaves, before or after the head, is their normal end and not in `http_requests_failed_total`. The
    ///   `status` is the one that was sent, or `499`; for gRPC, `grpc_status` is `CANCELLED`.
    ///
    /// Other failures are counted: an error status, an error of the service or the body, a panic.
    ///
    /// ```
    /// use tower_asdlc_metrics::{GrpcMethods, HttpMetricsLayer};
    ///
    /// let methods = ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"];
    /// let builder = HttpMetricsLayer::builder(GrpcMethods::new(methods))
    ///     .with_streaming_endpoints(["/grpc.health.v1.Health/Watch"]);
    /// ```
    ///
    /// Pass the values of the `endpoint` label: route templates, not paths. A name that matches no endpoint is not an error,
    /// because the layer does not know the routes. Once the [series limit](Self::with_max_series) is reached, a new stream is
    /// counted under `_OVERFLOW` like any other endpoint: it is timed, and a client that leaves is a failure.
    pub fn with_streaming_endpoints<E: Into<String>>(
        mut self,
        endpoints: impl IntoIterator<Item = E>,
    ) -> Self {
        self.settings.streaming_endpoints.extend(endpoints.into_iter().map(Into::into));
        self
    }

    /// Turns off `http_requests_in_flight`.
    pub fn without_in_flight(mut self) -> Self {
        self.optional.in_flight = false;
        self
    }

    /// Turns on `http_response_headers_duration_seconds{method,endpoint}`: the time until the head of the response, with the
    /// boundaries of the latency. Requests without a response are not in it.
    pub fn with_time_to_headers(mut self) -> Self {
        self.optional.time_to_headers = true;
        self
    }

    /// Turns on `http_response_body_size_bytes{method,endpoint}`. The bytes are counted while the body passes, and recorded when
    /// the request ends. With a [`request_body_layer`](HttpMetricsLayer::request_body_layer), `http_request_body_size_bytes` is
    /// recorded too.
    pub fn with_body_sizes(mut self) -> Self {
        self.optional.body_sizes = true;
        self
    }

    /// Turns on `http_upgraded_connections_in_flight{method,endpoint}` and
    /// `http_upgraded_connection_duration_seconds{method,endpoint}`: `WebSocket`s and other connections that outlive their
    /// request. The handler must hold the [`UpgradeGuard`](crate::UpgradeGuard) of the request. The duration histogram has the
    /// boundaries 1 s, 5 s, 15 s, 1 min, 5 min, 15 min, 1 h, 4 h and 1 d.
    pub fn with_upgrades(mut self) -> Self {
        self.optional.upgrades = true;
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

    /// Sets the series limit: how many series each family may have. The default is 1 000, the maximum 100 000.
    ///
    /// Requests with label sets beyond the limit are counted under `endpoint="_OVERFLOW"`, in up to a few hundred additional
    /// series. If these are not enough for all statuses, `status` is `_OTHER`, and the `grpc_status` of gRPC calls is
    /// `UNKNOWN`. The additional series also have the attribute `otel.metric.overflow` = `true`, as the overflow series of the
    /// SDK do (in Prometheus: `otel_metric_overflow="true"`). Each layer has its own limit. If several threads create the last
    /// series at the same moment, all but one of these series stay empty.
    ///
    /// The SDK has a limit of its own: 2 000 series for each instrument, unless a view changes it. Beyond that limit it drops *all*
    /// labels of new series until the process ends, so stay below it.
    ///
    /// Besides the memory of the SDK, each series takes up to half a kilobyte for each thread that serves it.
    pub fn with_max_series(mut self, max_series: usize) -> Self {
        self.settings.max_series = max_series;
        self
    }

    /// Builds a layer that records into `meter`, which is a [meter or a meter provider](MeterSource).
    ///
    /// # Errors
    /// If a boundary, a label, a path or a number is invalid. The error says which one, and what is allowed.
    pub fn build<K>(
        self,
        meter: &(impl MeterSource<K> + ?Sized),
    ) -> Result<HttpMetricsLayer, BuildError> {
        check_boundaries(&self.boundaries)?;
        check_settings(&self.settings)?;
        Ok(self.build_unchecked(&meter.to_meter()))
    }

    pub(crate) fn build_unchecked(self, meter: &Meter) -> HttpMetricsLayer {
        let Self { settings, boundaries, optional, has_backpressure } = self;
        let instruments = Instruments::new(meter, &boundaries, optional);
        let shards = Shards::new(Recorder::new(instruments, settings));
        let flushed = shards.clone();
        if !call_before_collections(meter, move || flushed.flush()) {
            shards.recorder().set_no_flush_callback();
        }
        HttpMetricsLayer::with_shards(shards, has_backpressure)
    }
}

impl fmt::Debug for HttpMetricsLayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpMetricsLayerBuilder")
            .field("settings", &self.settings)
            .field("boundaries", &self.boundaries)
            .finish_non_exhaustive()
    }
}
