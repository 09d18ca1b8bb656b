//! The one file that creates instruments: unit, description and boundaries of every metric of this crate, and the names of
//! OpenTelemetry's conventions. `labels/names.rs` has the names of Prometheus' convention. `recorder.rs` records into the
//! instruments. `prometheus_series.rs` and `semantic_series.rs` set the labels.
//!
//! The name of an instrument has no unit, because the instrument has it as `s` or `By`, and no `_total`. A Prometheus exporter
//! appends both: `http_request_duration` in `s` is `http_request_duration_seconds`, and the counter `http_requests` is
//! `http_requests_total`. The values of all labels come from bounded sets.

use crate::labels::conventions::Conventions;
use crate::labels::names::{HttpMetric, Names};
use crate::labels::side::Side;
#[cfg(feature = "bound")]
pub(crate) use crate::record::bound::{CounterSeries, HistogramSeries, UpDownCounterSeries};
#[cfg(feature = "bound")]
pub(crate) use crate::record::exemplar_sink::ExemplarSink;
#[cfg(not(feature = "bound"))]
pub(crate) use crate::record::unbound::{
    CounterSeries, ExemplarSink, HistogramSeries, UpDownCounterSeries,
};
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};
use std::sync::Arc;

/// The instruments of one layer. Those of metrics that are off are `None`.
#[derive(Debug)]
pub(crate) struct Instruments {
    pub(crate) prometheus: Option<PrometheusInstruments>,
    pub(crate) semantic: Option<SemanticInstruments>,
    /// With the labels of a route. OpenTelemetry's conventions have no such metric.
    pub(crate) time_to_headers: Option<Histogram<f64>>,
    /// As above.
    pub(crate) upgrades: Option<UpgradeInstruments>,
}

/// Prometheus' convention. The labels are those of a server. A client also has `host`, and `endpoint` only if it is configured.
#[derive(Debug)]
pub(crate) struct PrometheusInstruments {
    /// `{endpoint,method,status}`, for gRPC calls also `grpc_status`.
    pub(crate) requests: Counter<u64>,
    /// The labels of `requests`, and `error_type`.
    pub(crate) failed: Counter<u64>,
    /// `{endpoint,method}`. By default without a status, which would multiply the buckets.
    pub(crate) duration: Histogram<f64>,
    /// `{method}`
    pub(crate) in_flight: Option<UpDownCounter<i64>>,
    pub(crate) body_sizes: Option<BodySizeInstruments>,
}

/// OpenTelemetry's conventions for HTTP and RPC. The names are those of a server; see [`SemanticNames`] for those of a client.
#[derive(Debug)]
pub(crate) struct SemanticInstruments {
    /// `http.server.request.duration`
    pub(crate) request_duration: Histogram<f64>,
    /// `rpc.server.call.duration`
    pub(crate) call_duration: Histogram<f64>,
    /// `http.server.active_requests`
    pub(crate) active_requests: Option<UpDownCounter<i64>>,
    pub(crate) body_sizes: Option<BodySizeInstruments>,
}

#[derive(Debug)]
pub(crate) struct BodySizeInstruments {
    pub(crate) request: Histogram<f64>,
    pub(crate) response: Histogram<f64>,
}

/// The instruments of connections that outlive their request.
#[derive(Debug)]
pub(crate) struct UpgradeInstruments {
    pub(crate) in_flight: UpDownCounter<i64>,
    pub(crate) duration: Histogram<f64>,
}

/// Which metrics a layer has.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) conventions: Conventions,
    /// Of the latency. `None`: the default boundaries of each convention.
    pub(crate) boundaries: Option<Vec<f64>>,
    /// The gauge of Prometheus' convention.
    pub(crate) in_flight: bool,
    /// The gauge of OpenTelemetry's conventions.
    pub(crate) active_requests: bool,
    pub(crate) time_to_headers: bool,
    pub(crate) body_sizes: bool,
    pub(crate) upgrades: bool,
}

/// The meters of a layer: each convention has a schema of its own.
pub(crate) struct Meters {
    pub(crate) prometheus: Meter,
    pub(crate) semantic: Meter,
}

impl Instruments {
    pub(crate) fn new(meters: &Meters, side: Side, names: &Names, metrics: &Metrics) -> Self {
        let Meters { prometheus, semantic } = meters;
        let conventions = metrics.conventions;
        // The metrics that no convention has are in the scope of the layer's first convention.
        let other = Builder(if conventions.has_prometheus() { prometheus } else { semantic });
        let boundaries = metrics.boundaries.as_deref();
        let duration = boundaries.unwrap_or(if conventions.has_prometheus() {
            &DEFAULT_BOUNDARIES
        } else {
            &SEMANTIC_BOUNDARIES
        });
        Self {
            prometheus: conventions
                .has_prometheus()
                .then(|| PrometheusInstruments::new(Builder(prometheus), side, names, metrics)),
            semantic: conventions
                .has_open_telemetry()
                .then(|| SemanticInstruments::new(Builder(semantic), side, metrics)),
            time_to_headers: metrics.time_to_headers.then(|| {
                other.histogram(
                    names.metric(HttpMetric::ResponseHeadersDuration),
                    "s",
                    "Time from the request's head to the response's.",
                    duration,
                )
            }),
            upgrades: metrics.upgrades.then(|| UpgradeInstruments {
                in_flight: other.up_down_counter(
                    names.metric(HttpMetric::UpgradedConnectionsInFlight),
                    None,
                    "Upgraded connections, such as WebSockets, that are open.",
                ),
                duration: other.histogram(
                    names.metric(HttpMetric::UpgradedConnectionDuration),
                    "s",
                    "Time from the response that upgraded a connection to the end of the connection.",
                    &CONNECTION_BOUNDARIES,
                ),
            }),
        }
    }

    /// The observable instruments that can call a function before each collection. The first one that no view drops does so.
    pub(crate) fn flush_registration(
        &self,
        meters: &Meters,
        side: Side,
        names: &Names,
    ) -> FlushRegistration {
        let mut candidates = Vec::new();
        if self.prometheus.is_some() {
            let mut add = |kind, name: &str| {
                candidates.push((meters.prometheus.clone(), kind, name.to_owned()));
            };
            add(Kind::Gauge, &format!("{}.flush", names.metric(HttpMetric::Requests)));
            add(Kind::Gauge, names.metric(HttpMetric::RequestsInFlight));
            add(Kind::Counter, names.metric(HttpMetric::Requests));
            add(Kind::Counter, names.metric(HttpMetric::FailedRequests));
            add(Kind::Seconds, names.metric(HttpMetric::RequestDuration));
        }
        if self.semantic.is_some() {
            let mut add = |kind, name: &str| {
                candidates.push((meters.semantic.clone(), kind, name.to_owned()));
            };
            let names = SemanticNames::of(side);
            add(Kind::Gauge, &format!("{}.flush", names.request_duration));
            add(Kind::Requests, names.active_requests);
            add(Kind::Seconds, names.request_duration);
            add(Kind::Seconds, names.call_duration);
        }
        FlushRegistration { candidates }
    }
}

/// See [`Instruments::flush_registration`].
pub(crate) struct FlushRegistration {
    candidates: Vec<(Meter, Kind, String)>,
}

impl FlushRegistration {
    /// Calls `flush` before each collection. Returns `false` if views drop every instrument that could call it.
    ///
    /// The SDK runs the callbacks of observable instruments before it reads any series. An instrument that observes nothing is not
    /// exported. If a view drops an instrument, the SDK drops its callback too, and many views keep only a list of names. Therefore
    /// the callback is first registered with an instrument that has a name of its own. If that instrument is dropped, the callback
    /// is registered with the name of a metric of this crate, and with its kind if that kind can be observable. If all of these are
    /// dropped, there is nothing to flush.
    pub(crate) fn call_before_collections(self, flush: impl Fn() + Send + Sync + 'static) -> bool {
        let flush = Arc::new(flush);
        self.candidates.into_iter().any(|(meter, kind, name)| {
            kind.register(&meter, name, Arc::clone(&flush));
            Arc::strong_count(&flush) > 1
        })
    }
}

/// The kind of an observable instrument.
#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    Requests,
    Counter,
    /// There are no observable histograms.
    Seconds,
}

impl Kind {
    fn register(self, meter: &Meter, name: String, flush: Arc<impl Fn() + Send + Sync + 'static>) {
        match self {
            Self::Gauge => {
                meter.i64_observable_up_down_counter(name).with_callback(move |_| flush()).build();
            }
            Self::Requests => {
                let gauge = meter.i64_observable_up_down_counter(name).with_unit("{request}");
                gauge.with_callback(move |_| flush()).build();
            }
            Self::Counter => {
                meter.u64_observable_counter(name).with_callback(move |_| flush()).build();
            }
            Self::Seconds => {
                let gauge = meter.f64_observable_gauge(name).with_unit("s");
                gauge.with_callback(move |_| flush()).build();
            }
        }
    }
}

impl PrometheusInstruments {
    fn new(meter: Builder<'_>, side: Side, names: &Names, metrics: &Metrics) -> Self {
        let name = |metric| names.metric(metric);
        let (request_size, response_size) = match side {
            Side::Server => (
                "Bytes of the request's body that the service read.",
                "Bytes of the response's body that were handed to the server.",
            ),
            Side::Client => (
                "Bytes of the request's body that the client sent.",
                "Bytes of the response's body that were handed to the caller.",
            ),
        };
        let boundaries = metrics.boundaries.as_deref().unwrap_or(&DEFAULT_BOUNDARIES);
        Self {
            requests: meter
                .counter(name(HttpMetric::Requests), "HTTP requests, counted when they end."),
            failed: meter.counter(
                name(HttpMetric::FailedRequests),
                "HTTP requests that failed: 4xx, 5xx, a gRPC error, or that ended before the response was complete.",
            ),
            duration: meter.histogram(
                name(HttpMetric::RequestDuration),
                "s",
                "Time from the request's head to the end of the response's body.",
                boundaries,
            ),
            in_flight: metrics.in_flight.then(|| {
                meter.up_down_counter(
                    name(HttpMetric::RequestsInFlight),
                    None,
                    "HTTP requests that have begun and not ended.",
                )
            }),
            body_sizes: metrics.body_sizes.then(|| BodySizeInstruments {
                request: meter.size(name(HttpMetric::RequestBodySize), request_size),
                response: meter.size(name(HttpMetric::ResponseBodySize), response_size),
            }),
        }
    }
}

impl SemanticInstruments {
    fn new(meter: Builder<'_>, side: Side, metrics: &Metrics) -> Self {
        let names = SemanticNames::of(side);
        let boundaries = metrics.boundaries.as_deref().unwrap_or(&SEMANTIC_BOUNDARIES);
        let duration = |name, description| meter.histogram(name, "s", description, boundaries);
        Self {
            request_duration: duration(names.request_duration, names.request_duration_text),
            call_duration: duration(names.call_duration, names.call_duration_text),
            active_requests: metrics.active_requests.then(|| {
                let unit = Some("{request}");
                meter.up_down_counter(names.active_requests, unit, names.active_requests_text)
            }),
            body_sizes: metrics.body_sizes.then(|| BodySizeInstruments {
                request: meter.size(names.request_body_size, names.request_body_size_text),
                response: meter.size(names.response_body_size, names.response_body_size_text),
            }),
        }
    }
}

/// The names and descriptions of OpenTelemetry's conventions.
struct SemanticNames {
    request_duration: &'static str,
    request_duration_text: &'static str,
    call_duration: &'static str,
    call_duration_text: &'static str,
    active_requests: &'static str,
    active_requests_text: &'static str,
    request_body_size: &'static str,
    request_body_size_text: &'static str,
    response_body_size: &'static str,
    response_body_size_text: &'static str,
}

impl SemanticNames {
    fn of(side: Side) -> Self {
        match side {
            Side::Server => Self {
                request_duration: "http.server.request.duration",
                request_duration_text: "Duration of HTTP server requests.",
                call_duration: "rpc.server.call.duration",
                call_duration_text: "Measures the duration of an incoming Remote Procedure Call (RPC).",
                active_requests: "http.server.active_requests",
                active_requests_text: "Number of active HTTP server requests.",
                request_body_size: "http.server.request.body.size",
                request_body_size_text: "Size of HTTP server request bodies.",
                response_body_size: "http.server.response.body.size",
                response_body_size_text: "Size of HTTP server response bodies.",
            },
            Side::Client => Self {
                request_duration: "http.client.request.duration",
                request_duration_text: "Duration of HTTP client requests.",
                call_duration: "rpc.client.call.duration",
                call_duration_text: "Measures the duration of an outgoing Remote Procedure Call (RPC).",
                active_requests: "http.client.active_requests",
                active_requests_text: "Number of active HTTP requests.",
                request_body_size: "http.client.request.body.size",
                request_body_size_text: "Size of HTTP client request bodies.",
                response_body_size: "http.client.response.body.size",
                response_body_size_text: "Size of HTTP client response bodies.",
            },
        }
    }
}

/// Builds instruments of one meter.
#[derive(Clone, Copy)]
struct Builder<'a>(&'a Meter);

impl Builder<'_> {
    fn counter(self, name: &str, description: &'static str) -> Counter<u64> {
        self.0.u64_counter(name.to_owned()).with_description(description).build()
    }

    fn histogram(
        self,
        name: &str,
        unit: &'static str,
        description: &'static str,
        boundaries: &[f64],
    ) -> Histogram<f64> {
        self.0
            .f64_histogram(name.to_owned())
            .with_unit(unit)
            .with_description(description)
            .with_boundaries(boundaries.to_vec())
            .build()
    }

    fn size(self, name: &str, description: &'static str) -> Histogram<f64> {
        self.histogram(name, "By", description, &SIZE_BOUNDARIES)
    }

    fn up_down_counter(
        self,
        name: &str,
        unit: Option<&'static str>,
        description: &'static str,
    ) -> UpDownCounter<i64> {
        let counter = self.0.i64_up_down_counter(name.to_owned()).with_description(description);
        match unit {
            Some(unit) => counter.with_unit(unit).build(),
            None => counter.build(),
        }
    }
}

/// Prometheus' default boundaries, in seconds.
const DEFAULT_BOUNDARIES: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The boundaries of OpenTelemetry's conventions, in seconds.
const SEMANTIC_BOUNDARIES: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// From one second to one day, in seconds.
const CONNECTION_BOUNDARIES: [f64; 9] =
    [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

/// From 256 B to 16 MiB, in bytes.
const SIZE_BOUNDARIES: [f64; 9] = [
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
];
