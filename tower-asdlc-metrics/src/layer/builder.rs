use crate::error::BuildError;
use crate::labels::client_error::KnownErrors;
use crate::labels::conventions::Conventions;
use crate::labels::endpoint::{AnyEndpoint, Endpoint};
use crate::labels::exclusions::Exclusions;
use crate::labels::methods::{self, Methods};
use crate::labels::names::{HttpLabel, HttpMetric, Names};
use crate::labels::request_head::RequestHead;
use crate::labels::response_label::ResponseLabel;
use crate::labels::side::Side;
use crate::labels::user_label::UserLabel;
use crate::layer::check::{HostOptions, check};
use crate::layer::meter_source::{MeterSource, SCHEMA_URL, SEMANTIC_SCHEMA_URL};
use crate::record::exemplars::Exemplars;
use crate::record::instruments::{Instruments, Meters, Metrics};
use crate::record::recorder::Recorder;
use crate::record::settings::Settings;
use crate::record::shard::Shards;
use http::Method;
use std::fmt;
use std::marker::PhantomData;

/// Configures an [`HttpMetricsLayer`](crate::HttpMetricsLayer) or an
/// [`HttpClientMetricsLayer`](crate::HttpClientMetricsLayer).
///
/// `S` is [`ServerSide`] or [`ClientSide`]. Most settings are the same for both.
#[must_use = "it does nothing until it is built"]
pub struct LayerBuilder<S> {
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    pub(crate) hosts: HostOptions,
    pub(crate) known_methods: KnownMethods,
    pub(crate) has_backpressure: bool,
    side: PhantomData<S>,
}

/// The side of a [`LayerBuilder`]: requests that a server receives.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerSide;

/// The side of a [`LayerBuilder`]: requests that a client sends.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ClientSide;

/// The methods that have a label value of their own.
#[derive(Debug)]
pub(crate) enum KnownMethods {
    Default,
    Listed(Vec<Method>),
    /// The list of the environment variable.
    FromEnv(Option<String>),
}

impl<S> LayerBuilder<S> {
    pub(crate) fn of(side: Side, endpoint: impl Endpoint + Send + Sync + 'static) -> Self {
        Self {
            settings: Settings {
                side,
                endpoint: AnyEndpoint::new(endpoint),
                has_endpoints: side == Side::Server,
                names: Names::new(side),
                has_status_on_duration: false,
                methods: Methods::default(),
                url_scheme: None,
                hosts: None,
                user_labels: Vec::new(),
                response_labels: Vec::new(),
                errors: KnownErrors::default(),
                exclusions: Exclusions::default(),
                streaming_endpoints: Vec::new(),
                #[cfg(feature = "tracing-opentelemetry")]
                reads_tracing_spans: false,
                max_series: 1_000,
            },
            metrics: Metrics {
                conventions: Conventions::Prometheus,
                boundaries: None,
                in_flight: true,
                active_requests: false,
                time_to_headers: false,
                body_sizes: false,
                upgrades: false,
            },
            hosts: HostOptions::default(),
            known_methods: KnownMethods::Default,
            has_backpressure: false,
            side: PhantomData,
        }
    }

    /// Selects the names of metrics and labels: those of Prometheus (the default), those of OpenTelemetry's semantic conventions,
    /// or [both](Conventions).
    ///
    /// ```
    /// use tower_asdlc_metrics::{Conventions, FixedEndpoint, HttpMetricsLayer};
    ///
    /// let builder = HttpMetricsLayer::builder(FixedEndpoint("/upload"))
    ///     .with_conventions(Conventions::OpenTelemetry);
    /// ```
    pub fn with_conventions(mut self, conventions: Conventions) -> Self {
        self.metrics.conventions = conventions;
        self
    }

    /// Sets the upper bounds of the latency buckets, in seconds and ascending; `+Inf` is added. The default boundaries are those of
    /// Prometheus: 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10. OpenTelemetry's conventions also have 0.075, 0.75
    /// and 7.5.
    pub fn with_boundaries(mut self, boundaries: impl IntoIterator<Item = f64>) -> Self {
        self.metrics.boundaries = Some(boundaries.into_iter().collect());
        self
    }

    /// Sets the name of a metric of Prometheus' convention, without its unit and without `_total`, which an exporter appends.
    ///
    /// Use it to keep the names of another library, so that dashboards and alerts need no change:
    ///
    /// ```
    /// use tower_asdlc_metrics::{FixedEndpoint, HttpLabel, HttpMetric, HttpMetricsLayer};
    ///
    /// let builder = HttpMetricsLayer::builder(FixedEndpoint("/upload"))
    ///     .with_metric_name(HttpMetric::Requests, "axum_http_requests")
    ///     .with_metric_name(HttpMetric::RequestDuration, "axum_http_requests_duration")
    ///     .with_metric_name(HttpMetric::RequestsInFlight, "axum_http_requests_pending")
    ///     .with_label_key(HttpLabel::Endpoint, "path")
    ///     .with_status_on_duration();
    /// ```
    pub fn with_metric_name(mut self, metric: HttpMetric, name: impl Into<String>) -> Self {
        self.settings.names.set_metric(metric, name.into());
        self
    }

    /// Sets the key of a label of Prometheus' convention: `route` for the endpoint, for example.
    ///
    /// ```
    /// use tower_asdlc_metrics::{FixedEndpoint, HttpLabel, HttpMetricsLayer};
    ///
    /// let builder = HttpMetricsLayer::builder(FixedEndpoint("/upload"))
    ///     .with_label_key(HttpLabel::Endpoint, "route");
    /// ```
    ///
    /// The Prometheus operators for Kubernetes give targets the labels `service` and `endpoint`. Prometheus then stores a scraped
    /// `endpoint` as `exported_endpoint`, unless the scrape configuration has `honor_labels: true`. With another key, it stores
    /// both labels under their own keys.
    pub fn with_label_key(mut self, label: HttpLabel, key: impl Into<String>) -> Self {
        self.settings.names.set_key(label, key.into());
        self
    }

    /// Adds the label `status` to the latency of Prometheus' convention. Each status of a route then has buckets of its own. In
    /// OpenTelemetry's conventions the latency always has the status.
    pub fn with_status_on_duration(mut self) -> Self {
        self.settings.has_status_on_duration = true;
        self
    }

    /// Adds methods, such as `PURGE`, that get a label value of their own, as the nine standard methods do. All other methods
    /// are counted as `_OTHER`. At most 16 methods can be added. In OpenTelemetry's conventions, also beside those of Prometheus,
    /// `QUERY` has a value of its own too.
    pub fn with_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.settings.methods.additional.extend(methods);
        self
    }

    /// Replaces the list of methods that have a label value of their own. [Added](Self::with_methods) methods are kept. Besides
    /// the nine standard methods, at most 16 methods can be listed or added.
    ///
    /// ```
    /// use http::Method;
    /// use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};
    ///
    /// let builder = HttpMetricsLayer::builder(FixedEndpoint("/upload"))
    ///     .with_known_methods([Method::GET, Method::PUT]); // all others are `_OTHER`
    /// ```
    pub fn with_known_methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.known_methods = KnownMethods::Listed(methods.into_iter().collect());
        self
    }

    /// Replaces the list of methods by that of the environment variable `OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS`: names,
    /// separated by commas. The case matters. If the variable is not set or is empty, the list stays as it is. If a name is not a
    /// valid method, or if there are too many, `build` returns an error.
    ///
    /// This is the only setting that the layer reads from the environment, and it does so only here.
    pub fn with_known_methods_from_env(mut self) -> Self {
        let value = std::env::var_os(methods::KNOWN_METHODS_VARIABLE);
        let value = value.map(|value| value.to_string_lossy().into_owned());
        if value.as_ref().is_some_and(|value| !value.is_empty()) {
            self.known_methods = KnownMethods::FromEnv(value);
        }
        self
    }

    /// Adds a label of your own: its key, its possible values, and a function that reads its value from a request. All metrics
    /// have the label, except for the number of requests in flight. Its value is `_OTHER` if the function returns any other
    /// value, returns `None`, or panics. At most four labels can be added, with at most 100 values each. With
    /// [`Conventions::OpenTelemetry`], the key may have dots.
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

    /// Adds a label whose value the response sets: its key and its possible values. The response sets it with the extension
    /// [`ResponseLabels`](crate::ResponseLabels). The value is `_OTHER` if there is no response, if the extension does not have
    /// the key, or if it has any other value. At most two such labels can be added, with at most 100 values each.
    ///
    /// The counters, the duration and the sizes of bodies have the label. The gauges, the time to the response's head and the
    /// duration of upgraded connections do not.
    ///
    /// ```
    /// use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer, ResponseLabels};
    ///
    /// let builder = HttpMetricsLayer::builder(FixedEndpoint("/page"))
    ///     .with_response_label("cache", ["hit", "miss"]);
    ///
    /// // In the handler, or in a layer inside of this one:
    /// let mut response = http::Response::new("a page");
    /// ResponseLabels::set(&mut response, "cache", "hit");
    /// ```
    pub fn with_response_label<V: Into<String>>(
        mut self,
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        self.settings.response_labels.push(ResponseLabel { key: key.into(), values });
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
    /// - They are not in `http_request_duration_seconds`, where they would distort the latency of other requests. They are in the
    ///   duration of OpenTelemetry's conventions, because its count is the only count of requests.
    /// - A client that leaves, before or after the head, is their normal end and no failure. The `status` is the one that was
    ///   sent, or `499`; for gRPC, `grpc_status` is `CANCELLED`. The layer of a client does the same if the caller drops the
    ///   request or the body. Its `status` is the one that was received, or `_NONE`.
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
    /// Pass the values of the `endpoint` label: route templates, not paths. A client needs `with_endpoint` for them. A name that
    /// matches no endpoint is not an error,
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
        self.metrics.in_flight = false;
        self
    }

    /// Turns on the gauge of OpenTelemetry's conventions: `http.server.active_requests`, or `http.client.active_requests`. It is
    /// off by default because it is not stable. It includes gRPC calls, for which the conventions have no gauge.
    pub fn with_active_requests(mut self) -> Self {
        self.metrics.active_requests = true;
        self
    }

    /// Turns on `http_response_headers_duration_seconds{method,endpoint}`: the time until the head of the response. It has the
    /// [boundaries](Self::with_boundaries) that you set, or those of the latency. Requests without a response are not in it.
    pub fn with_time_to_headers(mut self) -> Self {
        self.metrics.time_to_headers = true;
        self
    }

    /// Turns on `http_response_body_size_bytes{method,endpoint}`. The bytes are counted while the body passes, and recorded when
    /// the request ends. With a [`request_body_layer`](crate::HttpMetricsLayer::request_body_layer), `http_request_body_size_bytes` is
    /// recorded too.
    ///
    /// In OpenTelemetry's conventions these are `http.server.response.body.size` and `http.server.request.body.size`. They have
    /// the attributes of `http.server.request.duration`, and include gRPC calls.
    pub fn with_body_sizes(mut self) -> Self {
        self.metrics.body_sizes = true;
        self
    }

    /// Sets the series limit: how many series each family may have. The default is 1 000, the maximum 100 000.
    ///
    /// Requests with label sets beyond the limit are counted under `endpoint="_OVERFLOW"`, in up to a few hundred additional
    /// series. If these are not enough for all statuses, `status` is `_OTHER`, and the `grpc_status` of gRPC calls is
    /// `UNKNOWN`. The additional series also have the attribute `otel.metric.overflow` = `true`, as the overflow series of the
    /// SDK do (in Prometheus: `otel_metric_overflow="true"`). On a client without endpoints, only this attribute marks them.
    /// Their `host` and the labels of [`with_label`](Self::with_label) are `_OTHER`. Each layer has its own limit. If several
    /// threads create the last series at the same moment, all but one of these series stay empty.
    ///
    /// The SDK has a limit of its own: 2 000 series for each instrument, unless a view changes it. Beyond that limit it drops *all*
    /// labels of new series until the process ends, so stay below it.
    ///
    /// Besides the memory of the SDK, each series takes up to half a kilobyte for each thread that serves it.
    pub fn with_max_series(mut self, max_series: usize) -> Self {
        self.settings.max_series = max_series;
        self
    }

    /// Checks the settings, and builds what the layer records with.
    pub(crate) fn build_shards<K>(
        mut self,
        meter: &(impl MeterSource<K> + ?Sized),
    ) -> Result<Shards, BuildError> {
        check(&mut self)?;
        Ok(self.build_unchecked(meter))
    }

    pub(crate) fn build_unchecked<K>(self, meter: &(impl MeterSource<K> + ?Sized)) -> Shards {
        let Self { settings, metrics, hosts: _, known_methods: _, has_backpressure: _, side: _ } =
            self;
        let (side, names) = (settings.side, &settings.names);
        let meters = Meters {
            prometheus: meter.to_meter(SCHEMA_URL),
            semantic: meter.to_meter(SEMANTIC_SCHEMA_URL),
        };
        let (instruments, exemplars) =
            Exemplars::ask(|| Instruments::new(&meters, side, names, &metrics));
        let register = instruments.flush_registration(&meters, side, names);
        let shards = Shards::new(Recorder::new(instruments, settings, exemplars));
        let flushed = shards.clone();
        if !register.call_before_collections(move || flushed.flush()) {
            shards.recorder().set_no_flush_callback();
        }
        shards
    }
}

impl<S> fmt::Debug for LayerBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerBuilder")
            .field("settings", &self.settings)
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}
