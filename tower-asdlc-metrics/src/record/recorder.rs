//! The one place that records: which series a request belongs to, and what is added to them.

use crate::labels::callback::guarded;
use crate::labels::endpoint::RequestHead;
use crate::labels::methods::{MethodId, Methods, OVERFLOW, UNMATCHED};
use crate::labels::outcome::{End, Outcome};
use crate::labels::user_label::{Label, LabelIds};
use crate::record::append_list::Chain;
use crate::record::entry_limit::Room;
use crate::record::flags::{Mode, Modes};
use crate::record::instruments::{
    CounterSeries, HistogramSeries, Instruments, UpDownCounterSeries, UpgradeInstruments,
};
use crate::record::route::{Counters, Route, Upgrades, get_or_make};
use crate::record::route_table::{Series, Slot};
use crate::record::series_limits::Caps;
use crate::record::settings::Settings;
use crate::record::thread_index as threads;
use crate::record::unmatched_warning::{Unrouted, is_unrouted};
use opentelemetry::KeyValue;
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub(crate) struct Recorder {
    instruments: Instruments,
    settings: Settings,
    in_flight: Box<[OnceLock<UpDownCounterSeries>]>,
    routes: Series<Route>,
    /// For the counters of all routes.
    room: Room,
    caps: Caps,
    modes: Modes,
    unrouted: Arc<Unrouted>,
}

impl Recorder {
    pub(crate) fn new(instruments: Instruments, settings: Settings) -> Self {
        let methods = settings.methods.count();
        let caps = Caps::new(settings.max_series, methods);
        let has_optional_parts =
            instruments.request_body_size.is_some() || instruments.upgrades.is_some();
        let modes = Modes::new([
            (Mode::EXCLUDES, !settings.excluded.is_empty()),
            (Mode::HAS_OPTIONAL_PARTS, has_optional_parts),
        ]);
        Self {
            instruments,
            in_flight: (0..methods).map(|_| OnceLock::new()).collect(),
            routes: Series::with_capacity(caps.routes),
            room: Room::default(),
            caps,
            modes,
            unrouted: Arc::default(),
            settings,
        }
    }

    #[inline]
    pub(crate) fn modes(&self) -> u8 {
        self.modes.get()
    }

    pub(crate) fn is_excluded(&self, head: RequestHead<'_>) -> bool {
        self.settings.excluded.iter().any(|excluded| guarded(|| excluded(head)).unwrap_or(false))
    }

    pub(crate) fn sizes_request_bodies(&self) -> bool {
        self.instruments.request_body_size.is_some()
    }

    pub(crate) fn methods(&self) -> &Methods {
        &self.settings.methods
    }

    /// There is no callback that could flush: everything is recorded at once.
    pub(crate) fn is_never_flushed(&self) {
        self.modes.turn_on(Mode::IS_NEVER_FLUSHED);
    }

    /// What the user's labels say of a request, and its route. If there is none yet, `new` gets the endpoint to
    /// [make](Self::make_route) it of when the response is there: that may name another one.
    #[inline(always)]
    pub(crate) fn route(
        &self,
        method: MethodId,
        head: RequestHead<'_>,
        new: impl FnOnce(Box<str>),
    ) -> (LabelIds, Slot) {
        let Settings { endpoint, labels, .. } = &self.settings;
        let labels = if labels.is_empty() { LabelIds::default() } else { Label::ids(labels, head) };
        let endpoint = endpoint.endpoint(head).unwrap_or(Cow::Borrowed(UNMATCHED));
        let found = self.look_up(method, labels, &endpoint);
        (labels, found.unwrap_or_else(|| self.no_route(method, endpoint, new)))
    }

    #[cold]
    fn no_route(
        &self,
        method: MethodId,
        endpoint: Cow<'_, str>,
        new: impl FnOnce(Box<str>),
    ) -> Slot {
        self.make_in_flight(method);
        // Once there is no room, everything unknown comes here: no allocation for that.
        let is_full = self.routes.is_full(self.caps.first);
        let overflow = || self.look_up(method, LabelIds::default(), OVERFLOW);
        is_full.then(overflow).flatten().unwrap_or_else(|| {
            new(endpoint.into());
            Slot::NONE
        })
    }

    /// The route of a request to an endpoint; `Some` always: there is room for the overflow of each method.
    #[cold]
    pub(crate) fn make_route(
        &self,
        method: MethodId,
        labels: LabelIds,
        endpoint: &str,
    ) -> Option<Slot> {
        self.find_route(self.caps.first, method, labels, endpoint).or_else(|| {
            let labels = LabelIds::default();
            self.find_route(self.caps.routes, method, labels, OVERFLOW)
        })
    }

    #[inline(never)]
    fn ended_unflushed(&self, method: MethodId) {
        if Mode::IS_NEVER_FLUSHED.is_in(self.modes()) {
            self.add_in_flight(method, -1);
        }
    }

    /// Tells the gauge of a request that begins or ends, where no collection looks by itself.
    #[inline(never)]
    pub(crate) fn add_in_flight(&self, method: MethodId, value: i64) {
        if self.in_flight(method).is_none() {
            self.make_in_flight(method);
        }
        if let Some(gauge) = self.in_flight(method) {
            gauge.add(value);
        }
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
            let make = || HistogramSeries::new(instrument, &self.attributes(route));
            get_or_make(&route.request_body_size, make).record(read as f64);
        }
    }

    pub(crate) fn counts_upgrades(&self) -> bool {
        self.instruments.upgrades.is_some()
    }

    pub(crate) fn upgrade_opened(&self, slot: Slot) {
        if let Some(upgrades) = self.upgrades(slot) {
            upgrades.in_flight.add(1);
        }
    }

    pub(crate) fn upgrade_closed(&self, slot: Slot, duration: Duration) {
        if let Some(upgrades) = self.upgrades(slot) {
            upgrades.in_flight.add(-1);
            upgrades.duration.record(duration.as_secs_f64());
        }
    }

    fn upgrades(&self, slot: Slot) -> Option<&Upgrades> {
        let UpgradeInstruments { in_flight, duration } = self.instruments.upgrades.as_ref()?;
        let route = self.routes.get(slot)?;
        Some(get_or_make(&route.upgrades, || {
            let attributes = self.attributes(route);
            Upgrades {
                in_flight: UpDownCounterSeries::new(in_flight, &attributes),
                duration: HistogramSeries::new(duration, &attributes),
            }
        }))
    }

    #[inline]
    pub(crate) fn ended(&self, slot: Slot, end: End, elapsed: Duration, sent: u64) {
        let Some(route) = self.routes.get(slot) else { return };
        let outcome = Outcome::new(end, route.is_stream);
        let duration = elapsed.as_secs_f64();
        let is_flushed = Mode::IS_FLUSHED.is_in(self.modes());
        if !is_flushed {
            self.ended_unflushed(route.method);
        }
        if let Some(counters) = self.find_counters(self.caps.first, route, outcome) {
            let is_added = is_flushed
                && counters.batch().is_some_and(|batch| {
                    batch.add(duration, |durations| counters.tell(route, durations))
                });
            if !is_added {
                counters.tell(route, &[duration]);
            }
            if let Some(unrouted) = &counters.unrouted {
                unrouted.succeeded(|| self.has_routed());
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
        self.modes.turn_on(Mode::IS_FLUSHED);
        for route in self.routes.iter() {
            for counters in route.counters.iter() {
                for batch in counters.batches.iter().filter_map(OnceLock::get) {
                    batch.tell(|durations| counters.tell(route, durations));
                }
            }
        }
    }

    /// Whether any request had an endpoint that it could be told apart by.
    fn has_routed(&self) -> bool {
        self.routes.iter().any(|route| !is_unrouted(route.endpoint.as_str()))
    }

    #[inline(always)]
    fn look_up(&self, method: MethodId, labels: LabelIds, endpoint: &str) -> Option<Slot> {
        let is = |route: &Route| route.is(method, labels, endpoint);
        self.routes.look_up((labels.with(method), endpoint), is)
    }

    fn find_route(
        &self,
        cap: usize,
        method: MethodId,
        labels: LabelIds,
        endpoint: &str,
    ) -> Option<Slot> {
        let is = |route: &Route| route.is(method, labels, endpoint);
        let make = || self.new_route(method, labels, endpoint);
        self.routes.get_or_add(cap, (labels.with(method), endpoint), is, make)
    }

    fn new_route(&self, method: MethodId, labels: LabelIds, endpoint: &str) -> Route {
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
            upgrades: OnceLock::new(),
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
            get_or_make(series, || {
                let name = KeyValue::new("method", self.methods().name(method).to_owned());
                UpDownCounterSeries::new(instrument, &[name])
            });
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
        let is_unrouted =
            error.is_none() && status.is_success() && is_unrouted(route.endpoint.as_str());
        let unrouted = is_unrouted.then(|| Arc::clone(&self.unrouted));
        Counters { outcome, requests, failed, batches, unrouted }
    }

    fn attributes(&self, route: &Route) -> Vec<KeyValue> {
        let Settings { methods, labels, .. } = &self.settings;
        let own = [("endpoint", route.endpoint.as_str()), ("method", methods.name(route.method))];
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

#[cfg(test)]
mod tests;
