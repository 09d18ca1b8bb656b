//! The metrics of the proxy.

use super::{api_error::ApiErrorType, route::Route};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Histogram, Meter, UpDownCounter},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// The [module](super) documents the metrics.
#[derive(Debug)]
pub(super) struct Instruments {
    requests: Counter<u64>,
    in_flight: UpDownCounter<i64>,
    rejected: Counter<u64>,
    bytes: Counter<u64>,
    shared: Counter<u64>,
    upstream_duration: Histogram<f64>,
    upstream_cancelled: Counter<u64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Arc<Self> {
        let this = Self {
            requests: meter
                .u64_counter("query_proxy_requests")
                .with_description("Requests to the query proxy by route and outcome.")
                .build(),
            in_flight: meter
                .i64_up_down_counter("query_proxy_requests_in_flight")
                .with_description("Requests to the query proxy whose response has not ended.")
                .build(),
            rejected: meter
                .u64_counter("query_proxy_rejected")
                .with_description("Requests that were refused without a call of VictoriaMetrics.")
                .build(),
            bytes: meter
                .u64_counter("query_proxy_response")
                .with_unit("By")
                .with_description("Bytes of response bodies, as they were sent.")
                .build(),
            shared: meter
                .u64_counter("query_proxy_shared")
                .with_description("Requests that shared the response to another request.")
                .build(),
            upstream_duration: meter
                .f64_histogram("query_proxy_upstream_duration")
                .with_unit("s")
                .with_description(
                    "Time from the start of a call of VictoriaMetrics to the end of its response, or to the first MiB of it, or to its failure.",
                )
                .with_boundaries(vec![0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0])
                .build(),
            upstream_cancelled: meter
                .u64_counter("query_proxy_upstream_cancelled")
                .with_description(
                    "Calls of VictoriaMetrics that were cancelled because no client waited for them.",
                )
                .build(),
        };
        // These series start at 0: otherwise `rate` would miss the first increase.
        for route in [Route::QueryRange, Route::Query, Route::Services, Route::Health] {
            this.requests.add(0, &[route_label(Some(route)), outcome_label(OK)]);
            this.shared.add(0, &[route_label(Some(route))]);
            this.upstream_cancelled.add(0, &[route_label(Some(route))]);
        }
        this.in_flight.add(0, &[]);
        this.bytes.add(0, &[]);
        this.rejected.add(0, &[KeyValue::new("reason", ApiErrorType::TooManyRequests.name())]);
        Arc::new(this)
    }

    pub(super) fn rejected(&self, reason: ApiErrorType) {
        self.rejected.add(1, &[KeyValue::new("reason", reason.name())]);
    }

    pub(super) fn shared(&self, route: Route) {
        self.shared.add(1, &[route_label(Some(route))]);
    }

    /// Starts the timer of a call. `has_expired` is set when the deadline of a client passes.
    pub(super) fn start_call(
        self: &Arc<Self>,
        route: Route,
        has_expired: Arc<AtomicBool>,
    ) -> CallTimer {
        let (instruments, start) = (Arc::clone(self), Instant::now());
        CallTimer { instruments, route, start, has_expired, has_ended: false }
    }
}

/// Records a call of the upstream when it is dropped. It records the duration if [`end`](Self::end)
/// was called or the deadline of a client has passed. Otherwise the call was cancelled.
#[derive(Debug)]
pub(super) struct CallTimer {
    instruments: Arc<Instruments>,
    route: Route,
    start: Instant,
    has_expired: Arc<AtomicBool>,
    has_ended: bool,
}

impl CallTimer {
    pub(super) fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for CallTimer {
    fn drop(&mut self) {
        let Self { instruments, route, start, has_expired, has_ended } = self;
        if *has_ended || has_expired.load(Ordering::Relaxed) {
            let seconds = start.elapsed().as_secs_f64();
            instruments.upstream_duration.record(seconds, &[route_label(Some(*route))]);
        } else {
            instruments.upstream_cancelled.add(1, &[route_label(Some(*route))]);
        }
    }
}

/// A request, from its arrival to the end of its response. It is recorded when it is dropped: with the
/// outcome `cancelled`, unless [`end`](Self::end) was called.
#[derive(Debug)]
pub(super) struct Exchange {
    instruments: Arc<Instruments>,
    route: Option<Route>,
    outcome: &'static str,
    bytes: u64,
}

impl Exchange {
    /// Starts an exchange. Without a route, the label `route` is `_OTHER`.
    pub(super) fn begin(instruments: Arc<Instruments>, route: Option<Route>) -> Self {
        instruments.in_flight.add(1, &[]);
        Self { instruments, route, outcome: CANCELLED, bytes: 0 }
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The response is complete, or was cut off.
    pub(super) fn end(mut self, outcome: &'static str) {
        self.outcome = outcome;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let Self { instruments, route, outcome, bytes } = self;
        instruments.in_flight.add(-1, &[]);
        instruments.requests.add(1, &[route_label(*route), outcome_label(outcome)]);
        instruments.bytes.add(*bytes, &[]);
    }
}

fn route_label(route: Option<Route>) -> KeyValue {
    KeyValue::new("route", route.map_or("_OTHER", Route::name))
}

fn outcome_label(outcome: &'static str) -> KeyValue {
    KeyValue::new("outcome", outcome)
}

/// The outcome of a response that is not an error.
pub(super) const OK: &str = "ok";

const CANCELLED: &str = "cancelled";
