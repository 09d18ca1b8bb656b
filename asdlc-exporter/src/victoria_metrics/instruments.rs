//! What the proxy measures about itself.

use super::{api_error::Kind, route::Route};
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

/// The instruments; documented in the [module](super).
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
                .u64_counter("query_proxy_requests_total")
                .with_description("Requests of the query proxy by route and by how they ended.")
                .build(),
            in_flight: meter
                .i64_up_down_counter("query_proxy_requests_in_flight")
                .with_description("Requests of the query proxy whose answer has not ended.")
                .build(),
            rejected: meter
                .u64_counter("query_proxy_rejected_total")
                .with_description("Requests that were refused without asking VictoriaMetrics.")
                .build(),
            bytes: meter
                .u64_counter("query_proxy_response_bytes_total")
                .with_description("Bytes of the bodies of answers, as they were sent.")
                .build(),
            shared: meter
                .u64_counter("query_proxy_shared_total")
                .with_description("Requests answered with what another one had asked for.")
                .build(),
            upstream_duration: meter
                .f64_histogram("query_proxy_upstream_duration_seconds")
                .with_unit("s")
                .with_description(
                    "Until VictoriaMetrics had answered, with 1 MiB at most, or had failed.",
                )
                .with_boundaries(vec![0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0])
                .build(),
            upstream_cancelled: meter
                .u64_counter("query_proxy_upstream_cancelled_total")
                .with_description(
                    "Calls of VictoriaMetrics given up because nobody waited for them.",
                )
                .build(),
        };
        // There from the start: a rate needs a first value.
        for route in [Route::QueryRange, Route::Query, Route::Services, Route::Health] {
            this.requests.add(0, &[route_label(Some(route)), outcome_label(OK)]);
            this.shared.add(0, &[route_label(Some(route))]);
            this.upstream_cancelled.add(0, &[route_label(Some(route))]);
        }
        this.in_flight.add(0, &[]);
        this.bytes.add(0, &[]);
        this.rejected.add(0, &[KeyValue::new("reason", Kind::Busy.name())]);
        Arc::new(this)
    }

    pub(super) fn rejected(&self, reason: Kind) {
        self.rejected.add(1, &[KeyValue::new("reason", reason.name())]);
    }

    pub(super) fn shared(&self, route: Route) {
        self.shared.add(1, &[route_label(Some(route))]);
    }

    /// The upstream is asked; `expired` when it did not answer somebody in time.
    pub(super) fn called(self: &Arc<Self>, route: Route, expired: Arc<AtomicBool>) -> Called {
        let (instruments, start) = (Arc::clone(self), Instant::now());
        Called { instruments, route, start, expired, ended: false }
    }
}

/// A call of the upstream; dropped before its end it was cancelled, or has failed because nobody's
/// time was enough.
#[derive(Debug)]
pub(super) struct Called {
    instruments: Arc<Instruments>,
    route: Route,
    start: Instant,
    expired: Arc<AtomicBool>,
    ended: bool,
}

impl Called {
    pub(super) fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Called {
    fn drop(&mut self) {
        let Self { instruments, route, start, expired, ended } = self;
        if *ended || expired.load(Ordering::Relaxed) {
            let seconds = start.elapsed().as_secs_f64();
            instruments.upstream_duration.record(seconds, &[route_label(Some(*route))]);
        } else {
            instruments.upstream_cancelled.add(1, &[route_label(Some(*route))]);
        }
    }
}

/// A request, from its arrival to the end of its answer; dropped before that, its client left.
#[derive(Debug)]
pub(super) struct Exchange {
    instruments: Arc<Instruments>,
    route: Option<Route>,
    outcome: &'static str,
    bytes: u64,
}

impl Exchange {
    /// A request has arrived; without a route it is nobody's.
    pub(super) fn begin(instruments: Arc<Instruments>, route: Option<Route>) -> Self {
        instruments.in_flight.add(1, &[]);
        Self { instruments, route, outcome: CANCELLED, bytes: 0 }
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The answer is complete, or is cut off.
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

/// The outcome of answers that are no errors.
pub(super) const OK: &str = "ok";

const CANCELLED: &str = "cancelled";
