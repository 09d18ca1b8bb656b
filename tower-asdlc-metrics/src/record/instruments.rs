//! Every metric of this crate: name, unit, description, label keys. Recording is in `recorder.rs`.
//!
//! Conventions (Prometheus' naming rules): counters end in `_total`; base units, in the name (`_seconds`, `_bytes`); labels
//! are lower snake case and take values from a bounded set. The exporter adds the namespace prefix and the constant labels.

#[cfg(feature = "bound")]
pub(crate) use crate::record::bound::{CounterSeries, HistogramSeries, UpDownCounterSeries};
#[cfg(not(feature = "bound"))]
pub(crate) use crate::record::unbound::{CounterSeries, HistogramSeries, UpDownCounterSeries};
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};
use std::sync::Arc;

/// The instruments, made once for a layer. What is off is `None`, and costs nothing.
#[derive(Debug)]
pub(crate) struct Instruments {
    /// `{endpoint,method,status}`, and `grpc_status` of gRPC calls.
    pub(crate) requests: Counter<u64>,
    /// As `requests`, and `error_type`.
    pub(crate) failed: Counter<u64>,
    /// `{endpoint,method}`: no status, which would multiply the buckets.
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

/// Of connections that outlive their request.
#[derive(Debug)]
pub(crate) struct UpgradeInstruments {
    /// `{endpoint,method}`
    pub(crate) in_flight: UpDownCounter<i64>,
    /// `{endpoint,method}`
    pub(crate) duration: Histogram<f64>,
}

/// Which optional families there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Optional {
    pub(crate) in_flight: bool,
    pub(crate) time_to_headers: bool,
    pub(crate) body_sizes: bool,
    pub(crate) upgrades: bool,
}

impl Instruments {
    pub(crate) fn new(meter: &Meter, boundaries: &[f64], optional: Optional) -> Self {
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
                "HTTP requests that failed: 4xx, 5xx, a gRPC error, or an end before their response's.",
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
                    "http_response_headers_duration_seconds",
                    "s",
                    "Time from the request's head to the response's.",
                    boundaries,
                )
            }),
            request_body_size: size(
                "http_request_body_size_bytes",
                "Bytes of the request's body that the service read.",
            ),
            response_body_size: size(
                "http_response_body_size_bytes",
                "Bytes of the response's body that were handed to the server.",
            ),
            upgrades: optional.upgrades.then(|| UpgradeInstruments {
                in_flight: meter
                    .i64_up_down_counter("http_upgraded_connections_in_flight")
                    .with_description("Upgraded connections, such as WebSockets, that are open.")
                    .build(),
                duration: histogram(
                    "http_upgraded_connection_duration_seconds",
                    "s",
                    "Time from the response that upgraded a connection to the end of the connection.",
                    &CONNECTION_BOUNDARIES,
                ),
            }),
        }
    }
}

/// Runs `flush` before each collection. `false` if it never will: views have dropped whatever could run it.
///
/// The SDK runs the callbacks of observable instruments before it reads anything; one that observes nothing is not exported. But
/// it drops the callback with the instrument if that is dropped by a view, which is often one that keeps a list of names. So
/// the callback hangs on an instrument of its own name and, where that is dropped, on one with the name and the kind of what
/// it is for: if that is dropped too, there is nothing to flush.
pub(crate) fn before_collection(meter: &Meter, flush: impl Fn() + Send + Sync + 'static) -> bool {
    let flush = Arc::new(flush);
    let is_kept = || Arc::strong_count(&flush) > 1;
    for name in ["http_requests.flush", IN_FLIGHT] {
        let flush = Arc::clone(&flush);
        meter.i64_observable_up_down_counter(name).with_callback(move |_| flush()).build();
        if is_kept() {
            return true;
        }
    }
    for name in [REQUESTS, FAILED] {
        let flush = Arc::clone(&flush);
        meter.u64_observable_counter(name).with_callback(move |_| flush()).build();
        if is_kept() {
            return true;
        }
    }
    let called = Arc::clone(&flush);
    meter.f64_observable_gauge(DURATION).with_unit("s").with_callback(move |_| called()).build();
    is_kept()
}

const REQUESTS: &str = "http_requests_total";
const FAILED: &str = "http_requests_failed_total";
const IN_FLIGHT: &str = "http_requests_in_flight";
pub(crate) const DURATION: &str = "http_request_duration_seconds";

/// Prometheus' default buckets, in seconds.
pub(crate) const DEFAULT_BOUNDARIES: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// In seconds: one to a day.
const CONNECTION_BOUNDARIES: [f64; 9] =
    [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

/// In bytes: 256 B to 16 MiB.
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
