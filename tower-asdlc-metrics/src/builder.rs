use crate::endpoint::{AnyEndpoint, Endpoint, RequestHead};
use crate::error::BuildError;
use crate::handle::Handles;
use crate::in_flight::Lanes;
use crate::instruments::{self, DEFAULT_BOUNDARIES, Instruments, Optional};
use crate::labels::Methods;
use crate::layer::HttpMetricsLayer;
use crate::recorder::Recorder;
use crate::settings::{Predicate, Settings};
use crate::user_label::Label;
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
    /// other value, and none, is `_OTHER`. At most four labels, of at most 100 values each.
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
    /// A path is what the client asked for, without the query: inside of an axum `nest`, [with the
    /// prefix](RequestHead::uri).
    pub fn without_paths<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.excluded_paths.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Requests of which this is true are not recorded.
    pub fn without_requests(
        mut self,
        excluded: impl for<'a> Fn(RequestHead<'a>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.excluded.push(Box::new(excluded));
        self
    }

    /// These endpoints are streams, which last until the client leaves: server-sent events, gRPC watches, long polls.
    ///
    /// Their requests are counted as all others, with two differences: they are not in `http_request_duration_seconds`, where
    /// they would blur the latency of the others; and a client that leaves, before the head or after it, is their normal end,
    /// with `status` as sent (or `499`) and for gRPC `grpc_status="CANCELLED"`, and not in `http_requests_failed_total`. All
    /// other failures are: an error status, an error of the service or the body, a panic.
    ///
    /// ```
    /// use tower_asdlc_metrics::{GrpcMethods, HttpMetricsLayer};
    ///
    /// let methods = ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"];
    /// let builder = HttpMetricsLayer::builder(GrpcMethods::new(methods))
    ///     .with_streaming_endpoints(["/grpc.health.v1.Health/Watch"]);
    /// ```
    ///
    /// They are given as the `endpoint` label has them, which is the route template and not a path. No error tells of one
    /// that there is not: the layer does not know the routes. Past the [cap on series](Self::with_max_series) a stream that was not
    /// asked for before is counted as any other endpoint.
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

    /// Also `http_upgraded_connections_in_flight{method,endpoint}` and
    /// `http_upgraded_connection_duration_seconds{method,endpoint}`, of `WebSocket`s and other connections that live on
    /// after their request, for handlers that hold the [`UpgradeGuard`](crate::UpgradeGuard) of the request. The buckets of the
    /// latter end at 1 s, 5 s, 15 s, 1 min, 5 min, 15 min, 1 h, 4 h and 1 d.
    pub fn with_upgrades(mut self) -> Self {
        self.optional.upgrades = true;
        self
    }

    /// Hands the readiness of the service inside on to the outside.
    ///
    /// By default the layer is always ready: a request that has to wait for the service inside (for a permit of a concurrency
    /// limit, for example) waits within the layer, where it is timed and in flight. With backpressure the layer is ready when
    /// the service inside is. What is outside needs that to shed load or to balance it; what a request waits there is in none
    /// of the metrics.
    pub fn with_backpressure(mut self) -> Self {
        self.has_backpressure = true;
        self
    }

    /// How many series each family may have, by default 1 000; at most 100 000. What comes then is counted under
    /// `endpoint="_OVERFLOW"`, in a few hundred more. Each layer has a cap of its own. Threads that need the last place at the same
    /// moment can each add an empty series to the SDK's.
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
