//! The one place that records. A request is an [`Exchange`] from the call to its ending.

use crate::endpoint::{AnyEndpoint, RequestHead};
use crate::instruments::{CounterSeries, HistogramSeries, Instruments};
use crate::labels::{Ending, MethodId, OVERFLOW, StatusLabel, UNMATCHED};
use crate::series::{Series, Slot};
use http::{Request, StatusCode};
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug)]
pub(crate) struct Recorder {
    instruments: Instruments,
    endpoint: AnyEndpoint,
    max_series: usize,
    routes: Series<Route>,
    outcomes: Series<Outcome>,
}

/// A method of an endpoint: the histogram's series.
#[derive(Debug)]
struct Route {
    method: MethodId,
    endpoint: Box<str>,
    duration: HistogramSeries,
}

/// A route with the status that requests to it ended with: the counter's series.
#[derive(Debug)]
struct Outcome {
    route: Slot,
    status: StatusLabel,
    requests: CounterSeries,
}

impl Recorder {
    pub(crate) fn new(instruments: Instruments, endpoint: AnyEndpoint, max_series: usize) -> Self {
        Self {
            instruments,
            endpoint,
            max_series,
            routes: Series::with_capacity(max_series + OVERFLOW_ROUTES),
            outcomes: Series::with_capacity(max_series + OVERFLOW_OUTCOMES + OVERFLOW_ROUTES),
        }
    }

    /// Starts the clock for a request.
    pub(crate) fn start<B>(self: &Arc<Self>, request: &Request<B>) -> Exchange {
        let start = Instant::now();
        let method = MethodId::of(request.method());
        let endpoint = self.endpoint.endpoint(RequestHead::of(request)).unwrap_or(UNMATCHED);
        Exchange(Some(Open {
            start,
            route: self.route(method, endpoint),
            status: None,
            unwinding: std::thread::panicking(),
            recorder: Arc::clone(self),
        }))
    }

    fn route(&self, method: MethodId, endpoint: &str) -> Option<Slot> {
        let series = |cap, endpoint: &str| {
            let is = |route: &Route| route.method == method && *route.endpoint == *endpoint;
            let make = || Route {
                method,
                endpoint: endpoint.into(),
                duration: self.instruments.duration(method, endpoint),
            };
            self.routes.get_or_insert(cap, (method, endpoint), is, make)
        };
        series(self.max_series, endpoint)
            .or_else(|| series(self.max_series + OVERFLOW_ROUTES, OVERFLOW))
            .map(|(slot, _)| slot)
    }

    fn outcome(&self, slot: Slot, status: StatusLabel) -> Option<&Outcome> {
        let series = |cap, route: Slot, status| {
            let is = |outcome: &Outcome| outcome.route == route && outcome.status == status;
            let entry = self.routes.get(route)?;
            let make = || Outcome {
                route,
                status,
                requests: self.instruments.requests(entry.method, &entry.endpoint, status),
            };
            self.outcomes.get_or_insert(cap, (route, status), is, make)
        };
        let overflow = self.max_series + OVERFLOW_OUTCOMES;
        let known = series(self.max_series, slot, status).or_else(|| {
            let method = self.routes.get(slot)?.method;
            let slot = self.route(method, OVERFLOW)?;
            series(overflow, slot, status)
                .or_else(|| series(overflow + OVERFLOW_ROUTES, slot, StatusLabel::OTHER))
        });
        known.map(|(_, outcome)| outcome)
    }
}

/// A request in progress. It is recorded when it [finishes](Self::finish) or, if nobody says how, when it is dropped:
/// once in either case, because its state is taken.
#[derive(Debug)]
pub(crate) struct Exchange(Option<Open>);

#[derive(Debug)]
struct Open {
    start: Instant,
    /// Always there: the tables have room for every overflow entry.
    route: Option<Slot>,
    /// The status of the response, once there is one.
    status: Option<StatusCode>,
    /// The thread was unwinding from somebody else's panic when the request came (a service called in a destructor).
    unwinding: bool,
    recorder: Arc<Recorder>,
}

impl Exchange {
    /// The response's head is there: its status is what the client gets, whatever becomes of the body.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        if let Some(open) = &mut self.0 {
            open.status = Some(status);
        }
    }

    pub(crate) fn finish(mut self, ending: Ending) {
        if let Some(open) = self.0.take() {
            open.record(ending);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(open) = self.0.take() {
            let ending = match open.status {
                _ if std::thread::panicking() && !open.unwinding => Ending::Panic,
                None => Ending::Cancelled,
                Some(_) => Ending::Aborted,
            };
            open.record(ending);
        }
    }
}

impl Open {
    fn record(self, ending: Ending) {
        let Self { start, route, status, unwinding: _, recorder } = self;
        let elapsed = start.elapsed().as_secs_f64();
        let Some(slot) = route else { return };
        let status = StatusLabel::new(status.unwrap_or_else(|| ending.status()));
        if let Some(outcome) = recorder.outcome(slot, status) {
            outcome.requests.add(1);
        }
        if let Some(route) = recorder.routes.get(slot) {
            route.duration.record(elapsed);
        }
    }
}

/// Room for `endpoint="_OVERFLOW"` with each method.
const OVERFLOW_ROUTES: usize = MethodId::COUNT;

/// Room for `endpoint="_OVERFLOW"` with each method and status; past it the status is `_OTHER` too.
const OVERFLOW_OUTCOMES: usize = 200;
