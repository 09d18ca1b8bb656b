//! The one file that creates instruments: name, unit, description and boundaries of every metric of this crate. `recorder.rs`
//! records into them. `routes.rs` and `in_flight.rs` set the labels.
//!
//! The names are OpenTelemetry's: without the unit, which the instrument has as `s` or `By`, and without `_total`. A Prometheus
//! exporter appends both: `http_request_duration` in `s` is `http_request_duration_seconds`, and the counter `http_requests` is
//! `http_requests_total`. Label keys are lower snake case, and their values come from bounded sets.

#[cfg(feature = "bound")]
pub(crate) use crate::record::bound::{CounterSeries, HistogramSeries, UpDownCounterSeries};
#[cfg(not(feature = "bound"))]
pub(crate) use crate::record::unbound::{CounterSeries, HistogramSeries, UpDownCounterSeries};
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};
use std::sync::Arc;

/// The instruments of one layer. Those of metrics that are off are `None`.
#[derive(Debug)]
pub(crate) struct Instruments {
    /// `{endpoint,method,status}`, for gRPC calls also `grpc_status`.
    pub(crate) requests: Counter<u64>,
    /// The labels of `requests`, and `error_type`.
    pub(crate) failed: Counter<u64>,
    /// `{endpoint,method}`. Without a status, which would multiply the buckets.
    pub(crate) duration: Histogram<f64>,
    /// `{method}`
    pub(crate) in_flight: Option<UpDownCounter<i64>>,
    /// `{endpoint,method}`
    pub(crate) time_to_headers: Option<Histogram<f64>>,
    /// `{endpoint,method}`
    pub(crate) request_body_size: Option<Histogram<f64>>,
    /// `{endpoint,method}`
    pub(crate) response_body_size: Option<Histogram<f64>>,
    pub(crate) upgrades: Option<UpgradeInstruments>,
}

/// The instruments of connections that outlive their request.
#[derive(Debug)]
pub(crate) struct UpgradeInstruments {
    /// `{endpoint,method}`
    pub(crate) in_flight: UpDownCounter<i64>,
    /// `{endpoint,method}`
    pub(crate) duration: Histogram<f64>,
}

/// Which of the optional metrics are on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OptionalMetrics {
    pub(crate) in_flight: bool,
    pub(crate) time_to_headers: bool,
    pub(crate) body_sizes: bool,
    pub(crate) upgrades: bool,
}

impl Instruments {
    pub(crate) fn new(meter: &Meter, boundaries: &[f64], optional: OptionalMetrics) -> Self {
        let counter =
            |name, description| meter.u64_counter(name).with_description(description).build();
        let histogram = |name, unit, description, boundaries: &[f64]| {
            meter
                .f64_histogram(name)
                .with_unit(unit)
                .with_description(description)
                .with_boundaries(boundaries.to_vec())
                .build()
        };
        let size = |name, description| {
            optional.body_sizes.then(|| histogram(name, "By", description, &SIZE_BOUNDARIES))
        };
        Self {
            requests: counter(REQUESTS, "HTTP requests, counted when they end."),
            failed: counter(
                FAILED,
                "HTTP requests that failed: 4xx, 5xx, a gRPC error, or that ended before the response was complete.",
            ),
            duration: histogram(
                DURATION,
                "s",
                "Time from the request's head to the end of the response's body.",
                boundaries,
            ),
            in_flight: optional.in_flight.then(|| {
                meter
                    .i64_up_down_counter(IN_FLIGHT)
                    .with_description("HTTP requests that have begun and not ended.")
                    .build()
            }),
            time_to_headers: optional.time_to_headers.then(|| {
                histogram(
                    "http_response_headers_duration",
                    "s",
                    "Time from the request's head to the response's.",
                    boundaries,
                )
            }),
            request_body_size: size(
                "http_request_body_size",
                "Bytes of the request's body that the service read.",
            ),
            response_body_size: size(
                "http_response_body_size",
                "Bytes of the response's body that were handed to the server.",
            ),
            upgrades: optional.upgrades.then(|| UpgradeInstruments {
                in_flight: meter
                    .i64_up_down_counter("http_upgraded_connections_in_flight")
                    .with_description("Upgraded connections, such as WebSockets, that are open.")
                    .build(),
                duration: histogram(
                    "http_upgraded_connection_duration",
                    "s",
                    "Time from the response that upgraded a connection to the end of the connection.",
                    &CONNECTION_BOUNDARIES,
                ),
            }),
        }
    }
}

/// Calls `flush` before each collection. Returns `false` if views drop every instrument that could call it.
///
/// The SDK runs the callbacks of observable instruments before it reads any series. An instrument that observes nothing is not
/// exported. If a view drops an instrument, the SDK drops its callback too, and many views keep only a list of names. Therefore
/// the callback is first registered with an instrument that has a name of its own. If that instrument is dropped, the callback
/// is registered with the name of a metric of this crate, and with its kind if that kind can be observable. If all of these are
/// dropped, there is nothing to flush.
pub(crate) fn call_before_collections(
    meter: &Meter,
    flush: impl Fn() + Send + Sync + 'static,
) -> bool {
    let flush = Arc::new(flush);
    let is_registered = || Arc::strong_count(&flush) > 1;
    for name in ["http_requests.flush", IN_FLIGHT] {
        let flush = Arc::clone(&flush);
        meter.i64_observable_up_down_counter(name).with_callback(move |_| flush()).build();
        if is_registered() {
            return true;
        }
    }
    for name in [REQUESTS, FAILED] {
        let flush = Arc::clone(&flush);
        meter.u64_observable_counter(name).with_callback(move |_| flush()).build();
        if is_registered() {
            return true;
        }
    }
    let callback = Arc::clone(&flush);
    meter.f64_observable_gauge(DURATION).with_unit("s").with_callback(move |_| callback()).build();
    is_registered()
}

const REQUESTS: &str = "http_requests";
const FAILED: &str = "http_requests_failed";
const IN_FLIGHT: &str = "http_requests_in_flight";
const DURATION: &str = "http_request_duration";

/// Prometheus' default boundaries, in seconds.
pub(crate) const DEFAULT_BOUNDARIES: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

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
