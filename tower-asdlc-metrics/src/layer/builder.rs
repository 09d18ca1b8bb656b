use crate::error::BuildError;
use crate::labels::endpoint::{AnyEndpoint, Endpoint, RequestHead};
use crate::labels::methods::Methods;
use crate::labels::user_label::Label;
use crate::layer::layer::HttpMetricsLayer;
use crate::record::handle::Handles;
use crate::record::instruments::{self, DEFAULT_BOUNDARIES, Instruments, Optional};
use crate::record::recorder::Recorder;
use crate::record::settings::{Predicate, Settings};
use crate::record::shard::Lanes;
use http::Method;
use opentelemetry::metrics::Meter;
use std::fmt;
use std::sync::Arc;

/// Configures a [`HttpMetricsLayer`].
///
/// ```
/// use tower_asdlc_metrics::{Fixed, HttpMetricsLayer};
/// # fn build(meter: &opentelemetry::metrics::Meter) -> Result<HttpMetricsLayer, tower_asdlc_metrics::BuildError> {
///
/// let layer = HttpMetricsLayer::builder(Fixed("/upload"))
///     .with_boundaries([0.01, 0.1, 1.0, 10.0])
///     .without_paths(["/health"])
///     .build(meter)?;
/// # Ok(layer) }
/// ```
#[must_use = "it does nothing until it is built"]
pub struct HttpMetricsLayerBuilder {
    boundaries: Vec<f64>,
    endpoint: AnyEndpoint,
    methods: Vec<Method>,
    labels: Vec<Label>,
    excluded_paths: Vec<String>,
    excluded: Vec<Predicate>,
    streams: Vec<String>,
    max_series: usize,
    has_backpressure: bool,
    optional: Optional,
}

impl HttpMetricsLayerBuilder {
    pub(crate) fn new(endpoint: impl Endpoint + Send + Sync + 'static) -> Self {
        Self {
            boundaries: DEFAULT_BOUNDARIES.to_vec(),
            endpoint: AnyEndpoint::new(endpoint),
            methods: Vec::new(),
            labels: Vec::new(),
            excluded_paths: Vec::new(),
            excluded: Vec::new(),
            streams: Vec::new(),
            max_series: 1_000,
            has_backpressure: false,
            optional: Optional {
                in_flight: true,
                time_to_headers: false,
                body_sizes: false,
                upgrades: false,
            },
        }
    }

    /// The upper bounds of the latency buckets, in seconds, ascending; `+Inf` is added. By default Prometheus' own: 0.005,
    /// 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10.
    pub fn with_boundaries(mut self, boundaries: impl IntoIterator<Item = f64>) -> Self {
        self.boundaries = boundaries.into_iter().collect();
        self
    }

    /// Methods to tell apart beside the nine standard ones, such as `PURGE`; all others are `_OTHER`. At most 16.
    pub fn with_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods.extend(methods);
        self
    }

    /// A label of your own on the counters and histograms: its key, the values it may take, and where it comes from. Any
    /// other value, and none, is `_OTHER`, also if the function panics. At most four labels, of at most 100 values each.
    ///
    /// ```
    /// use tower_asdlc_metrics::{Fixed, HttpMetricsLayer};
    ///
    /// let builder = HttpMetricsLayer::builder(Fixed("/upload"))
    ///     .with_label("plan", ["free", "paid"], |head| head.headers.get("x-plan")?.to_str().ok());
    /// ```
    pub fn with_label<V: Into<String>>(
        mut self,
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
        value: impl for<'a> Fn(RequestHead<'a>) -> Option<&'a str> + Send + Sync + 'static,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.labels.push(Label { key: key.into(), values, value: Box::new(value) });
        self
    }

    /// Requests to these paths are not recorded, and cost nothing but the comparison.
    ///
    /// The layer compares the path of the request, without the query. Inside an axum `nest` the path [has the
    /// prefix](RequestHead::uri), if the feature `axum` is on.
    pub fn without_paths<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.excluded_paths.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Requests of which this is true are not recorded. If the function panics, the request is recorded.
    pub fn without_requests(
        mut self,
        excluded: impl for<'a> Fn(RequestHead<'a>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.excluded.push(Box::new(excluded));
        self
    }

    /// These endpoints are streams, which last until the client leaves: server-sent events, gRPC watches, long polls.
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
    /// Give the values of the `endpoint` label: route templates, not paths. A name that matches no endpoint is not an error,
    /// because the layer does not know the routes. Once the [cap on series](Self::with_max_series) is reached, a new stream is
    /// counted under `_OVERFLOW` like any other endpoint: it is timed, and a client that leaves is a failure.
    pub fn with_streaming_endpoints<E: Into<String>>(
        mut self,
        endpoints: impl IntoIterator<Item = E>,
    ) -> Self {
        self.streams.extend(endpoints.into_iter().map(Into::into));
        self
    }

    /// No `http_requests_in_flight`.
    pub fn without_in_flight(mut self) -> Self {
        self.optional.in_flight = false;
        self
    }

    /// Also `http_response_headers_duration_seconds{method,endpoint}`: the time to the response's head, with the same
    /// boundaries. Requests that never got one are not in it.
    pub fn with_time_to_headers(mut self) -> Self {
        self.optional.time_to_headers = true;
        self
    }

    /// Also `http_response_body_size_bytes{method,endpoint}`, counted as the body passes and recorded when the request
    /// ends; and, where the [`request_body_layer`](HttpMetricsLayer::request_body_layer) is, `http_request_body_size_bytes`.
    pub fn with_body_sizes(mut self) -> Self {
        self.optional.body_sizes = true;
        self
    }

    /// Also records `http_upgraded_connections_in_flight{method,endpoint}` and
    /// `http_upgraded_connection_duration_seconds{method,endpoint}`: `WebSocket`s and other connections that outlive their
    /// request. The handler must hold the [`UpgradeGuard`](crate::UpgradeGuard) of the request. The duration histogram has the
    /// boundaries 1 s, 5 s, 15 s, 1 min, 5 min, 15 min, 1 h, 4 h and 1 d.
    pub fn with_upgrades(mut self) -> Self {
        self.optional.upgrades = true;
        self
    }

    /// Makes the layer ready only when the inner service is ready.
    ///
    /// By default the layer is always ready: a request that has to wait for the service inside (for a permit of a concurrency
    /// limit, for example) waits within the layer, where it is timed and in flight. With backpressure it waits outside of the
    /// layer, and no metric includes this wait. A load shedder or a load balancer outside of the layer needs backpressure.
    pub fn with_backpressure(mut self) -> Self {
        self.has_backpressure = true;
        self
    }

    /// How many series each family may have, by default 1 000; at most 100 000. What comes then is counted under
    /// `endpoint="_OVERFLOW"`, in up to a few hundred additional series. Each layer has its own cap. If several threads need
    /// the last free place at the same moment, each can create an empty series in the SDK.
    ///
    /// The SDK has a limit of its own, 2 000 for each instrument unless a view changes it, past which it gives up *all*
    /// labels of what comes, for ever: stay below.
    ///
    /// Besides what the SDK needs, each takes up to half a kilobyte for each thread that serves it.
    pub fn with_max_series(mut self, max_series: usize) -> Self {
        self.max_series = max_series;
        self
    }

    /// The layer that records into `meter`.
    ///
    /// # Errors
    /// When a boundary, a label or a number is not allowed: the error says which, and what is.
    pub fn build(self, meter: &Meter) -> Result<HttpMetricsLayer, BuildError> {
        BuildError::check_boundaries(&self.boundaries)?;
        BuildError::check_methods(&self.methods)?;
        BuildError::check_labels(&self.labels)?;
        BuildError::check_paths(&self.excluded_paths)?;
        BuildError::check_max_series(self.max_series)?;
        Ok(self.unchecked(meter))
    }

    pub(crate) fn unchecked(self, meter: &Meter) -> HttpMetricsLayer {
        let Self {
            boundaries,
            endpoint,
            methods,
            labels,
            excluded_paths,
            mut excluded,
            streams,
            max_series,
            has_backpressure,
            optional,
        } = self;
        if !excluded_paths.is_empty() {
            excluded.push(Box::new(move |head| {
                excluded_paths.iter().any(|path| path == head.uri().path())
            }));
        }
        let instruments = Instruments::new(meter, &boundaries, optional);
        let methods = Methods::new(methods);
        let settings = Settings { endpoint, methods, labels, excluded, streams, max_series };
        let lanes = Arc::new(Lanes::new(Recorder::new(instruments, settings)));
        let handles = Handles::new(&lanes);
        let told = handles.clone();
        if !instruments::before_collection(meter, move || told.any().tell()) {
            lanes.recorder().is_never_flushed();
        }
        HttpMetricsLayer::new_with(handles, has_backpressure)
    }
}

impl fmt::Debug for HttpMetricsLayerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpMetricsLayerBuilder")
            .field("boundaries", &self.boundaries)
            .field("labels", &self.labels)
            .field("max_series", &self.max_series)
            .finish_non_exhaustive()
    }
}
