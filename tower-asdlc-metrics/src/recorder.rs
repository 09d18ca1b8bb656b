//! The one place that records: which series a request belongs to, and what is added to them.

use crate::batch::Batch;
use crate::chain::Chain;
use crate::endpoint::RequestHead;
use crate::instruments::{CounterSeries, HistogramSeries, Instruments, UpDownCounterSeries};
use crate::labels::{MethodId, Methods, OVERFLOW, UNMATCHED};
use crate::outcome::{End, ErrorType, Outcome};
use crate::room::Room;
use crate::series::{Series, Slot};
use crate::settings::Settings;
use crate::threads;
use crate::user_label::{Label, LabelIds};
use opentelemetry::KeyValue;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub(crate) struct Recorder {
    instruments: Instruments,
    settings: Settings,
    in_flight: Box<[OnceLock<UpDownCounterSeries>]>,
    routes: Series<Route>,
    /// For the counters of all routes.
    room: Room,
    caps: Caps,
    /// Whether collections come by here, as they have once: nothing may wait for one that does not. A view can drop the
    /// instrument that calls us.
    is_collected: AtomicBool,
}

/// A method of an endpoint, with the user's labels.
#[derive(Debug)]
struct Route {
    method: MethodId,
    labels: LabelIds,
    endpoint: Box<str>,
    /// Its requests last as long as their clients like.
    is_stream: bool,
    counters: Chain<Counters>,
    /// Not of streams.
    duration: Option<HistogramSeries>,
    time_to_headers: Option<HistogramSeries>,
    response_body_size: Option<HistogramSeries>,
    /// Made when first needed: most services have no layer for it.
    request_body_size: OnceLock<HistogramSeries>,
}

/// The counters of a route's requests that ended alike.
#[derive(Debug)]
struct Counters {
    outcome: Outcome,
    requests: CounterSeries,
    failed: Option<CounterSeries>,
    /// How long they took, by thread, until the series are told.
    batches: Box<[OnceLock<Box<Batch>>]>,
}

/// How many routes and counters there may be: of what comes first, then of what is counted as overflow, and of counters then
/// the last resort.
#[derive(Debug)]
struct Caps {
    first: usize,
    routes: usize,
    overflow: usize,
    counters: usize,
}

impl Recorder {
    pub(crate) fn new(instruments: Instruments, settings: Settings) -> Self {
        let methods = settings.methods.count();
        let first = settings.max_series;
        let overflow = first + OVERFLOW_OUTCOMES;
        // A method without a status, failed in each way or not at all, of gRPC or not.
        let caps = Caps {
            first,
            routes: first + methods,
            overflow,
            counters: overflow + methods * (ErrorType::COUNT + 1) * 2,
        };
        Self {
            instruments,
            in_flight: (0..methods).map(|_| OnceLock::new()).collect(),
            routes: Series::with_capacity(caps.routes),
            room: Room::default(),
            caps,
            is_collected: AtomicBool::new(false),
            settings,
        }
    }

    #[inline]
    pub(crate) fn excludes_some(&self) -> bool {
        !self.settings.excluded.is_empty()
    }

    #[inline]
    pub(crate) fn is_excluded(&self, head: RequestHead<'_>) -> bool {
        self.settings.excluded.iter().any(|excluded| excluded(head))
    }

    pub(crate) fn methods(&self) -> &Methods {
        &self.settings.methods
    }

    /// The route of a request.
    #[inline(always)]
    pub(crate) fn route(&self, method: MethodId, head: RequestHead<'_>) -> Option<Slot> {
        let Settings { endpoint, labels, .. } = &self.settings;
        let labels = if labels.is_empty() { LabelIds::default() } else { Label::ids(labels, head) };
        let endpoint = endpoint.endpoint(head);
        self.route_to(method, labels, endpoint.as_deref().unwrap_or(UNMATCHED))
    }

    /// The route of the same request to another endpoint.
    pub(crate) fn reroute(&self, slot: Slot, endpoint: &str) -> Slot {
        let route = self.routes.get(slot);
        route.and_then(|route| self.route_to(route.method, route.labels, endpoint)).unwrap_or(slot)
    }

    /// The gauge of a method that there were requests of.
    pub(crate) fn in_flight(&self, method: MethodId) -> Option<&UpDownCounterSeries> {
        self.in_flight.get(method.index())?.get()
    }

    #[inline]
    pub(crate) fn headers(&self, slot: Slot, start: Instant) {
        let is_timed = self.instruments.time_to_headers.is_some();
        let route = is_timed.then(|| self.routes.get(slot)).flatten();
        if let Some(Route { time_to_headers: Some(series), .. }) = route {
            series.record(start.elapsed().as_secs_f64());
        }
    }

    pub(crate) fn request_body(&self, slot: Slot, read: u64) {
        if let (Some(route), Some(instrument)) =
            (self.routes.get(slot), &self.instruments.request_body_size)
        {
            route
                .request_body_size
                .get_or_init(|| HistogramSeries::new(instrument, &self.attributes(route)))
                .record(read as f64);
        }
    }

    #[inline]
    pub(crate) fn ended(&self, slot: Slot, end: End, elapsed: Duration, sent: u64) {
        let Some(route) = self.routes.get(slot) else { return };
        let outcome = Outcome::new(end, route.is_stream);
        let duration = elapsed.as_secs_f64();
        if let Some(counters) = self.find_counters(self.caps.first, route, outcome) {
            let is_added = self.is_collected.load(Ordering::Relaxed)
                && counters.batch().is_some_and(|batch| {
                    batch.add(duration, |durations| counters.tell(route, durations))
                });
            if !is_added {
                counters.tell(route, &[duration]);
            }
        } else if let Some(counters) = self.overflow_counters(route, outcome) {
            counters.tell(route, &[duration]);
        }
        if let Some(size) = &route.response_body_size {
            size.record(sent as f64);
        }
    }

    /// Tells the series what they are not told yet; called before each collection.
    pub(crate) fn tell(&self) {
        self.is_collected.store(true, Ordering::Relaxed);
        for route in self.routes.iter() {
            for counters in route.counters.iter() {
                for batch in counters.batches.iter().filter_map(OnceLock::get) {
                    batch.tell(|durations| counters.tell(route, durations));
                }
            }
        }
    }

    /// `Some` always: there is room for the overflow of each method.
    #[inline(always)]
    fn route_to(&self, method: MethodId, labels: LabelIds, endpoint: &str) -> Option<Slot> {
        self.find_route(self.caps.first, method, labels, endpoint).or_else(|| {
            let labels = LabelIds::default();
            self.find_route(self.caps.routes, method, labels, OVERFLOW)
        })
    }

    #[inline(always)]
    fn find_route(
        &self,
        cap: usize,
        method: MethodId,
        labels: LabelIds,
        endpoint: &str,
    ) -> Option<Slot> {
        let is = |route: &Route| {
            route.method == method && route.labels == labels && *route.endpoint == *endpoint
        };
        let make = || self.make_route(method, labels, endpoint);
        self.routes.get_or_add(cap, (labels.with(method), endpoint), is, make)
    }

    fn make_route(&self, method: MethodId, labels: LabelIds, endpoint: &str) -> Route {
        let mut route = Route {
            method,
            labels,
            endpoint: endpoint.into(),
            is_stream: self.settings.streams.iter().any(|stream| stream == endpoint),
            counters: Chain::new(),
            duration: None,
            time_to_headers: None,
            response_body_size: None,
            request_body_size: OnceLock::new(),
        };
        self.make_in_flight(method);
        let attributes = self.attributes(&route);
        let series = |instrument| HistogramSeries::new(instrument, &attributes);
        let Instruments { duration, time_to_headers, response_body_size, .. } = &self.instruments;
        route.duration = (!route.is_stream).then(|| series(duration));
        route.time_to_headers = time_to_headers.as_ref().map(series);
        route.response_body_size = response_body_size.as_ref().map(series);
        route
    }

    fn make_in_flight(&self, method: MethodId) {
        if let (Some(instrument), Some(series)) =
            (&self.instruments.in_flight, self.in_flight.get(method.index()))
        {
            let name = KeyValue::new("method", self.methods().name(method).to_owned());
            series.get_or_init(|| UpDownCounterSeries::new(instrument, &[name]));
        }
    }

    /// `Some` always: there is room for the last resort of each method.
    #[cold]
    fn overflow_counters(&self, route: &Route, outcome: Outcome) -> Option<&Counters> {
        let labels = LabelIds::default();
        let slot = self.find_route(self.caps.routes, route.method, labels, OVERFLOW)?;
        let route = self.routes.get(slot)?;
        self.find_counters(self.caps.overflow, route, outcome)
            .or_else(|| self.find_counters(self.caps.counters, route, outcome.without_status()))
    }

    #[inline]
    fn find_counters<'a>(
        &self,
        cap: usize,
        route: &'a Route,
        outcome: Outcome,
    ) -> Option<&'a Counters> {
        let is = |counters: &Counters| counters.outcome == outcome;
        route.counters.get_or_add(&self.room, cap, is, || self.make_counters(route, outcome))
    }

    fn make_counters(&self, route: &Route, outcome: Outcome) -> Counters {
        let mut attributes = self.attributes(route);
        let Outcome { status, grpc, error } = outcome;
        attributes.push(KeyValue::new("status", status.as_str().to_owned()));
        attributes.extend(grpc.map(|grpc| KeyValue::new("grpc_status", grpc.as_str())));
        let requests = CounterSeries::new(&self.instruments.requests, &attributes);
        let failed = error.map(|error| {
            attributes.push(KeyValue::new("error_type", error.as_str()));
            CounterSeries::new(&self.instruments.failed, &attributes)
        });
        let batches = (0..threads::count()).map(|_| OnceLock::new()).collect();
        Counters { outcome, requests, failed, batches }
    }

    fn attributes(&self, route: &Route) -> Vec<KeyValue> {
        let Settings { methods, labels, .. } = &self.settings;
        let own = [("endpoint", &*route.endpoint), ("method", methods.name(route.method))];
        own.into_iter()
            .chain(Label::pairs(labels, route.labels))
            .map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned()))
            .collect()
    }
}

/// Without the tables, which have thousands of slots.
impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Counters {
    /// Of this thread.
    #[inline]
    fn batch(&self) -> Option<&Batch> {
        Some(self.batches.get(threads::number())?.get_or_init(Box::default))
    }

    /// Requests have ended so, after so long.
    #[inline]
    fn tell(&self, route: &Route, durations: &[f64]) {
        let requests = durations.len() as u64;
        self.requests.add(requests);
        if let Some(failed) = &self.failed {
            failed.add(requests);
        }
        if let Some(series) = &route.duration {
            durations.iter().for_each(|duration| series.record(*duration));
        }
    }
}

/// Room for `endpoint="_OVERFLOW"` with the statuses that occur; past it the status is `_OTHER` too.
const OVERFLOW_OUTCOMES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::Call;
    use crate::outcome::Ending;
    use crate::{Fixed, HttpMetricsLayer};
    use http::{Request, StatusCode};
    use opentelemetry::metrics::{MeterProvider, noop::NoopMeterProvider};
    use std::collections::BTreeMap;
    use std::thread;
    use tower_layer::Layer;

    #[test]
    fn once_there_was_a_collection_requests_are_kept_by_outcome_until_the_next() {
        // Not every thread has batches, while other tests have theirs.
        let on_a_thread_with_batches = || {
            let has_batches = threads::number() < threads::count();
            has_batches.then(requests_are_kept_by_outcome).is_some()
        };
        while !thread::scope(|scope| scope.spawn(on_a_thread_with_batches).join().unwrap()) {}
    }

    fn requests_are_kept_by_outcome() {
        let layer = HttpMetricsLayer::builder(Fixed("/x"))
            .build(&NoopMeterProvider::new().meter("test"))
            .unwrap();
        let service = layer.layer(());
        let lanes = service.handle();
        let recorder = lanes.recorder();
        let request = Request::new(());
        let head = RequestHead::of(&request);
        let route = recorder.route(recorder.methods().id(head.method), head).unwrap();
        let end = |status, millis| {
            let end = End { ending: Ending::Complete, status: Some(status), call: Call::None };
            recorder.ended(route, end, Duration::from_millis(millis), 0);
        };
        let kept = || {
            let counters = recorder.routes.iter().flat_map(|route| route.counters.iter());
            let mut kept = BTreeMap::new();
            for counters in counters {
                for batch in counters.batches.iter().filter_map(OnceLock::get) {
                    let status = counters.outcome.status.as_str();
                    batch.tell(|values| _ = kept.insert(status, values.to_vec()));
                }
            }
            kept
        };
        end(StatusCode::OK, 1);
        assert!(kept().is_empty());
        lanes.tell();
        end(StatusCode::OK, 2);
        end(StatusCode::OK, 4);
        end(StatusCode::NOT_FOUND, 8);
        let expected = [("200", vec![0.002, 0.004]), ("404", vec![0.008])];
        assert_eq!(kept(), BTreeMap::from(expected));
        end(StatusCode::OK, 16);
        lanes.tell();
        assert!(kept().is_empty());
    }
}
