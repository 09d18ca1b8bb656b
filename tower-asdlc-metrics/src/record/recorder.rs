//! The one file that records: what is added to the series of a request, and when.

use crate::labels::grpc_status::GrpcCall;
use crate::labels::methods::{MethodId, Methods};
use crate::labels::outcome::Outcome;
use crate::labels::outcome_labels::OutcomeLabels;
use crate::labels::request_head::RequestHead;
use crate::labels::user_label::UserLabelValues;
use crate::record::flags::{Flag, FlagSet, Flags};
use crate::record::in_flight::InFlightGauge;
use crate::record::instruments::Instruments;
use crate::record::route::{Route, RouteKey, UpgradeSeries};
use crate::record::route_table::RouteId;
use crate::record::routes::Routes;
use crate::record::settings::Settings;
use crate::record::unmatched_warning::is_unmatched;
use http::StatusCode;
use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub(crate) struct Recorder {
    routes: Routes,
    in_flight: InFlightGauge,
    flags: Flags,
}

/// What is known of an exchange that has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FinishedExchange {
    pub(crate) outcome: Outcome,
    /// The status of the response, if there was one.
    pub(crate) status: Option<StatusCode>,
    pub(crate) grpc: GrpcCall,
    pub(crate) duration: Duration,
    /// Bytes of the response's body.
    pub(crate) sent: u64,
}

impl Recorder {
    pub(crate) fn new(instruments: Instruments, settings: Settings) -> Self {
        let has_optional_parts =
            instruments.request_body_size.is_some() || instruments.upgrades.is_some();
        let flags = Flags::new([
            (Flag::HAS_EXCLUSIONS, !settings.exclusions.is_empty()),
            (Flag::HAS_OPTIONAL_PARTS, has_optional_parts),
            (Flag::HAS_TIME_TO_HEADERS, instruments.time_to_headers.is_some()),
        ]);
        let in_flight = InFlightGauge::new(instruments.in_flight.clone(), settings.methods.count());
        Self { routes: Routes::new(instruments, settings), in_flight, flags }
    }

    #[inline]
    pub(crate) fn flags(&self) -> FlagSet {
        self.flags.get()
    }

    /// Must be called if no callback calls [`flush`](Self::flush) before collections.
    pub(crate) fn set_no_flush_callback(&self) {
        self.flags.set(Flag::NO_FLUSH_CALLBACK);
    }

    pub(crate) fn methods(&self) -> &Methods {
        &self.routes.settings().methods
    }

    pub(crate) fn is_excluded(&self, head: RequestHead<'_>) -> bool {
        self.routes.settings().exclusions.contain(head)
    }

    pub(crate) fn sizes_request_bodies(&self) -> bool {
        self.routes.instruments().request_body_size.is_some()
    }

    pub(crate) fn counts_upgrades(&self) -> bool {
        self.routes.instruments().upgrades.is_some()
    }

    /// Returns the user labels of a request, and its route. If the route does not exist yet, returns its endpoint as the error.
    #[inline(always)]
    pub(crate) fn find_route(
        &self,
        method: MethodId,
        head: RequestHead<'_>,
    ) -> (UserLabelValues, Result<RouteId, Box<str>>) {
        let (user_labels, route) = self.routes.find_by_head(method, head);
        (user_labels, route.inspect_err(|_| self.in_flight.preinitialize(self.methods(), method)))
    }

    pub(crate) fn find_or_create_route(&self, key: RouteKey<'_>) -> Option<RouteId> {
        self.routes.find_or_create(key)
    }

    /// The number of requests in flight has changed. It is reported at once only if no callback reports it before collections.
    #[inline]
    pub(crate) fn in_flight_changed(&self, method: MethodId, change: i64, flags: FlagSet) {
        if flags.contains(Flag::NO_FLUSH_CALLBACK) {
            self.in_flight.add(self.methods(), method, change);
        }
    }

    /// Does nothing if the metric is off.
    #[cold]
    pub(crate) fn record_time_to_headers(&self, route: RouteId, start: Instant) {
        if let Some(Route { time_to_headers: Some(series), .. }) = self.routes.get(route) {
            series.record(start.elapsed().as_secs_f64());
        }
    }

    /// `flags` need not be those of this moment: an exchange passes the flags of the start of the request.
    #[inline]
    pub(crate) fn record_exchange(
        &self,
        route: RouteId,
        finished: FinishedExchange,
        flags: FlagSet,
    ) {
        let Some(route) = self.routes.get(route) else { return };
        let FinishedExchange { outcome, status, grpc, duration, sent } = finished;
        let labels = OutcomeLabels::new(outcome, status, grpc, route.is_streaming);
        let duration = duration.as_secs_f64();
        if let Some(counters) = self.routes.counters(route, labels) {
            let add = |durations: &[f64]| counters.add_requests(route, durations);
            let is_buffered = flags.contains(Flag::IS_COLLECTED)
                && counters.batch().is_some_and(|batch| batch.add(duration, add));
            if !is_buffered {
                add(&[duration]);
            }
            if let Some(unmatched) = &counters.unmatched {
                unmatched.count_success(|| self.has_matched_route());
            }
        } else if let Some(counters) = self.routes.overflow_counters(route.method, labels) {
            // Not buffered: the duration belongs to this route, and the counters to the overflow route.
            counters.add_requests(route, &[duration]);
        }
        if let Some(size) = &route.response_body_size {
            size.record(sent as f64);
        }
    }

    /// Adds all buffered requests to their series, and reports the requests in flight. `in_flight` returns their number for a
    /// method.
    pub(crate) fn flush(&self, in_flight: impl Fn(MethodId) -> i64) {
        self.flags.set(Flag::IS_COLLECTED);
        // Before the batches are flushed: a request that is not in flight any more is then recorded, or is in one of the
        // batches.
        self.in_flight.report(self.methods(), in_flight);
        for route in self.routes.iter() {
            for counters in route.counters.iter() {
                for batch in counters.batches.iter().filter_map(OnceLock::get) {
                    batch.flush(|durations| counters.add_requests(route, durations));
                }
            }
        }
    }

    /// Whether any request had a route of its own.
    fn has_matched_route(&self) -> bool {
        self.routes.iter().any(|route| !is_unmatched(route.endpoint.as_str()))
    }

    pub(crate) fn record_request_body_size(&self, route: RouteId, bytes: u64) {
        let route = self.routes.get(route);
        if let Some(size) = route.and_then(|route| self.routes.request_body_size(route)) {
            size.record(bytes as f64);
        }
    }

    pub(crate) fn upgraded_connection_opened(&self, route: RouteId) {
        if let Some(upgrades) = self.upgrades(route) {
            upgrades.in_flight.add(1);
        }
    }

    pub(crate) fn upgraded_connection_closed(&self, route: RouteId, duration: Duration) {
        if let Some(upgrades) = self.upgrades(route) {
            upgrades.in_flight.add(-1);
            upgrades.duration.record(duration.as_secs_f64());
        }
    }

    fn upgrades(&self, route: RouteId) -> Option<&UpgradeSeries> {
        self.routes.upgrades(self.routes.get(route)?)
    }
}

/// Prints the settings, and not the table with its thousands of slots.
impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("settings", self.routes.settings()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
