//! The one file that records: what is added to the series of a request, and when.

mod request;

use crate::labels::client_error::ClientErrorType;
use crate::labels::ending::Ending;
use crate::labels::endpoint::FixedEndpoint;
#[cfg(feature = "axum")]
use crate::labels::matched_route::MatchedRoute;
use crate::labels::methods::MethodId;
use crate::labels::protocol::UrlScheme;
use crate::labels::request_head::RequestHead;
use crate::labels::request_labels::RequestLabels;
use crate::labels::response_label::{ResponseLabel, ResponseLabelValues};
use crate::labels::side::Side;
use crate::labels::unlisted_methods::UnlistedMethods;
use crate::labels::values::OTHER;
use crate::record::exemplars::{Exemplars, SpanIds};
use crate::record::finished_exchange::FinishedExchange;
use crate::record::fixed_routes::FixedRoutes;
use crate::record::flags::{Flag, FlagSet, Flags};
use crate::record::in_flight::{InFlightGauge, InFlightSlot};
use crate::record::instruments::{HistogramSeries, Instruments};
use crate::record::known_route::KnownRoute;
#[cfg(feature = "axum")]
use crate::record::matched_routes::MatchedRoutes;
use crate::record::route::{EndingSeries, Route, RouteKey, UpgradeSeries};
use crate::record::route_table::RouteId;
use crate::record::routes::Routes;
use crate::record::settings::Settings;
use crate::record::unmatched_warning::is_unmatched;
use http::Extensions;
use request::SlotCounts;
use std::fmt;
use std::sync::OnceLock;
#[cfg(feature = "axum")]
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

pub(crate) struct Recorder {
    routes: Routes,
    in_flight: InFlightGauge,
    slots: SlotCounts,
    fixed_routes: FixedRoutes,
    #[cfg(feature = "axum")]
    matched_routes: MatchedRoutes,
    flags: Flags,
    /// Not in the flags: layers with exemplars and the usual flags take the short path of a request too.
    needed_parts: NeededParts,
    unlisted_methods: UnlistedMethods,
    /// `None` if the meter records no exemplars.
    exemplars: Option<Exemplars>,
}

/// Which of their optional parts exchanges may need.
#[derive(Clone, Copy, Debug, PartialEq)]
enum NeededParts {
    None,
    /// Only the span if it is sampled: exemplars are recorded.
    SampledSpan,
    /// All others: upgraded connections, the sizes of request bodies, or exemplars outside of sampled spans are recorded.
    All,
}

impl Recorder {
    pub(crate) fn new(
        instruments: Instruments,
        settings: Settings,
        exemplars: Option<Exemplars>,
    ) -> Self {
        let body_sizes = |instruments: &Instruments| {
            let prometheus = instruments.prometheus.as_ref().map(|own| own.body_sizes.is_some());
            let semantic = instruments.semantic.as_ref().map(|own| own.body_sizes.is_some());
            prometheus.or(semantic) == Some(true)
        };
        let has_scheme = instruments.semantic.is_some() && settings.side == Side::Server;
        let needed_parts = match exemplars {
            _ if body_sizes(&instruments) || instruments.upgrades.is_some() => NeededParts::All,
            None => NeededParts::None,
            Some(exemplars) if exemplars.unsampled().is_some() => NeededParts::All,
            Some(_) => NeededParts::SampledSpan,
        };
        let has_more_labels = instruments.semantic.is_some()
            || settings.hosts.is_some()
            || !settings.user_labels.is_empty();
        let flags = Flags::new([
            (Flag::HAS_EXCLUSIONS, !settings.exclusions.is_empty()),
            (Flag::HAS_TIME_TO_HEADERS, instruments.time_to_headers.is_some()),
            (Flag::HAS_MORE_LABELS, has_more_labels),
            (Flag::HAS_BODY_SIZES, body_sizes(&instruments)),
            (Flag::HAS_RESPONSE_LABELS, !settings.response_labels.is_empty()),
            (Flag::IS_CLIENT, settings.side == Side::Client),
            (Flag::READS_VERSION, instruments.semantic.is_some() && settings.side == Side::Client),
        ]);
        let routes = Routes::new(instruments, settings, exemplars.is_some());
        // The builder allows fewer methods and hosts than there are numbers.
        let slots = SlotCounts {
            methods: routes.settings().methods.count() as u16,
            schemes: if has_scheme { UrlScheme::COUNT as u16 } else { 1 },
            hosts: routes.hosts().map_or(1, |hosts| hosts.ids() as u16),
        };
        let endpoint = &routes.settings().endpoint;
        #[cfg(feature = "axum")]
        let matched_routes = MatchedRoutes::new(endpoint.is::<MatchedRoute>());
        // Labels of the application are not part of a slot.
        let is_fixed = endpoint.is::<FixedEndpoint>() && routes.settings().user_labels.is_empty();
        let fixed_routes = FixedRoutes::new(if is_fixed { slots.count() } else { 0 });
        let in_flight = InFlightGauge::new(slots.count());
        let unlisted_methods = UnlistedMethods::default();
        Self {
            routes,
            in_flight,
            slots,
            fixed_routes,
            #[cfg(feature = "axum")]
            matched_routes,
            flags,
            needed_parts,
            unlisted_methods,
            exemplars,
        }
    }

    #[inline(always)]
    pub(crate) fn flags(&self) -> FlagSet {
        self.flags.get()
    }

    #[inline(always)]
    pub(crate) fn needs_parts(&self) -> bool {
        self.needed_parts != NeededParts::None
    }

    #[inline(always)]
    pub(crate) fn needs_only_sampled_spans(&self) -> bool {
        self.needed_parts == NeededParts::SampledSpan
    }

    /// Must be called if no callback calls [`flush`](Self::flush) before collections.
    pub(crate) fn set_no_flush_callback(&self) {
        self.flags.set(Flag::NO_FLUSH_CALLBACK);
    }

    /// The number of [`InFlightSlot`]s.
    pub(crate) fn slots(&self) -> usize {
        self.slots.count()
    }

    pub(crate) fn is_excluded(&self, head: RequestHead<'_>) -> bool {
        self.routes.settings().exclusions.contain(head)
    }

    pub(crate) fn sizes_request_bodies(&self) -> bool {
        let Instruments { prometheus, semantic, .. } = self.routes.instruments();
        prometheus.as_ref().is_some_and(|own| own.body_sizes.is_some())
            || semantic.as_ref().is_some_and(|own| own.body_sizes.is_some())
    }

    pub(crate) fn counts_upgrades(&self) -> bool {
        self.routes.instruments().upgrades.is_some()
    }

    /// `None` if the meter records no exemplars.
    pub(crate) fn exemplars(&self) -> Option<Exemplars> {
        self.exemplars
    }

    /// Whether the current span of `tracing` can be the span of a request.
    #[cfg(feature = "tracing-opentelemetry")]
    pub(crate) fn reads_tracing_spans(&self) -> bool {
        self.routes.settings().reads_tracing_spans
    }

    /// The route of a request if the endpoint is always the same, and [`KnownRoute::NONE`] otherwise, or if it was not found before.
    #[inline(always)]
    pub(crate) fn fixed_route(&self, slot: InFlightSlot) -> KnownRoute {
        self.fixed_routes.get(slot)
    }

    /// The route of a request whose template axum has matched; [`KnownRoute::NONE`] if it was not found by the
    /// address of the template.
    #[inline(always)]
    pub(crate) fn matched_route(&self, method: MethodId, extensions: &Extensions) -> KnownRoute {
        #[cfg(feature = "axum")]
        return self.matched_routes.get(method, extensions);
        #[cfg(not(feature = "axum"))]
        {
            _ = (method, extensions);
            KnownRoute::NONE
        }
    }

    /// Finds the route of a request, and keeps it for [`fixed_route`](Self::fixed_route). If the route does not exist yet,
    /// returns its endpoint as the error.
    #[inline(always)]
    pub(crate) fn find_route(
        &self,
        labels: RequestLabels,
        slot: InFlightSlot,
        head: RequestHead<'_>,
    ) -> Result<RouteId, Box<str>> {
        let on_unknown = || self.in_flight.preinitialize(slot, || self.routes.in_flight(labels));
        let found = self.routes.find_by_head(labels, head, on_unknown);
        if let Ok(route) = found {
            self.fixed_routes.set(slot, KnownRoute::new(route, labels.method()));
        }
        found
    }

    /// Keeps the route of these labels and this template for [`matched_route`](Self::matched_route).
    #[inline(never)]
    pub(crate) fn keep_matched_route(
        &self,
        labels: RequestLabels,
        extensions: &Extensions,
        id: RouteId,
    ) {
        #[cfg(not(feature = "axum"))]
        {
            _ = (labels, extensions, id);
        }
        #[cfg(feature = "axum")]
        if let Some(route) = self.routes.get(id) {
            let known = KnownRoute::new(id, labels.method());
            if route.templates.load(Ordering::Relaxed) < MAX_TEMPLATES
                && self.matched_routes.set(labels, extensions, known)
            {
                route.templates.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Returns the path of a gRPC call to a server if its method is not listed, to be kept until the call ends. `new` is the
    /// endpoint of a route that does not exist yet.
    #[inline(never)]
    pub(crate) fn keep_unlisted_path(
        &self,
        route: RouteId,
        new: Option<&str>,
        head: RequestHead<'_>,
    ) -> Option<Box<str>> {
        let known = || self.routes.get(route).map(|route| route.endpoint.as_str());
        let is_unlisted = new.or_else(known) == Some(OTHER);
        let is_server = self.routes.settings().side == Side::Server;
        if is_unlisted && is_server {
            self.unlisted_methods.keep_path(head.uri().path())
        } else {
            None
        }
    }

    pub(crate) fn unlisted_methods(&self) -> &UnlistedMethods {
        &self.unlisted_methods
    }

    pub(crate) fn find_or_create_route(&self, key: RouteKey<'_>) -> Option<RouteId> {
        self.routes.find_or_create(key)
    }

    /// Reads the labels that a response sets.
    pub(crate) fn response_labels(&self, extensions: &Extensions) -> ResponseLabelValues {
        ResponseLabel::read_all(&self.routes.settings().response_labels, extensions)
    }

    /// What a client's error was, if it is known.
    pub(crate) fn error_type<E: 'static>(&self, error: &E) -> Option<ClientErrorType> {
        self.routes.settings().errors.find(error)
    }

    /// The number of requests in flight has changed. It is reported at once only if no callback reports it before collections.
    #[inline(always)]
    pub(crate) fn in_flight_changed(&self, slot: InFlightSlot, change: i64, flags: FlagSet) {
        if flags.contains(Flag::NO_FLUSH_CALLBACK) {
            self.in_flight.add(slot, change);
        }
    }

    /// Calls `record`. If the meter records exemplars, the measurements belong to this span, or to none.
    #[inline]
    fn measure(&self, span: Option<SpanIds>, mut record: impl FnMut()) {
        match self.exemplars {
            None => record(),
            Some(exemplars) => exemplars.measure(span, record),
        }
    }

    /// Does nothing if the metric is off.
    #[cold]
    pub(crate) fn record_time_to_headers(
        &self,
        route: RouteId,
        start: Instant,
        span: Option<SpanIds>,
    ) {
        if let Some(Route { time_to_headers: Some(series), .. }) = self.routes.get(route) {
            let seconds = start.elapsed().as_secs_f64();
            self.measure(span, || series.record(seconds));
        }
    }

    /// Records an exchange without a span.
    #[inline(always)]
    pub(crate) fn record_exchange(
        &self,
        flags: FlagSet,
        route: RouteId,
        finished: FinishedExchange,
    ) {
        let Some(route) = self.routes.get(route) else { return };
        let (duration, FinishedExchange { ending, sent, .. }) = (finished.seconds(), finished);
        let Some(series) = self.routes.ending(route, ending) else {
            return self.record_beyond_limit(route, ending, duration, sent, None);
        };
        self.add_request(flags, series, duration);
        self.count_unmatched(series);
        if flags.contains(Flag::HAS_BODY_SIZES) {
            self.record_response_body_size(series, sent);
        }
    }

    /// Adds a request to its batch, or to the series if there is none. It becomes no exemplar.
    #[inline(always)]
    fn add_request(&self, flags: FlagSet, series: &EndingSeries, duration: f64) {
        let batch = if flags.contains(Flag::IS_COLLECTED) { series.batch() } else { None };
        let is_buffered = match batch {
            Some(batch) => batch.add(duration, |durations| self.add_requests(series, durations)),
            None => false,
        };
        if !is_buffered {
            self.add_requests(series, &[duration]);
        }
    }

    /// Adds requests without a span to the series. Not inlined, because most requests only add to a batch.
    #[inline(never)]
    fn add_requests(&self, series: &EndingSeries, durations: &[f64]) {
        self.measure(None, || series.add_requests(durations));
    }

    #[inline(never)]
    fn record_response_body_size(&self, series: &EndingSeries, sent: u64) {
        self.measure(None, || series.record_response_body_size(sent));
    }

    /// Records an exchange that belongs to a span, and has ended at this moment. If its series have sinks for exemplars, the
    /// exchange is added to a batch, which has no spans, and its exemplars are recorded at once. Otherwise it is measured in its
    /// span.
    #[inline(always)]
    pub(crate) fn record_exchange_in_span(
        &self,
        flags: FlagSet,
        route: RouteId,
        finished: FinishedExchange,
        span: SpanIds,
        end: Instant,
    ) {
        let Some(route) = self.routes.get(route) else { return };
        let (duration, FinishedExchange { ending, sent, .. }) = (finished.seconds(), finished);
        let Some(series) = self.routes.ending(route, ending) else {
            return self.record_beyond_limit(route, ending, duration, sent, Some(span));
        };
        if series.has_sinks && !flags.contains(Flag::HAS_BODY_SIZES) {
            self.add_request(flags, series, duration);
            series.add_exemplars(duration, (span, end));
            return self.count_unmatched(series);
        }
        // Always `Some`: without exemplars no exchange belongs to a span.
        let Some(exemplars) = self.exemplars else { return };
        if flags.contains(Flag::HAS_BODY_SIZES) {
            exemplars.measure_at(end, span, move || {
                series.add_requests(&[duration]);
                series.record_response_body_size(sent);
            });
        } else {
            exemplars.measure_at(end, span, move || series.add_requests(&[duration]));
        }
        self.count_unmatched(series);
    }

    /// Counts a successful request that matched no route.
    #[inline(always)]
    fn count_unmatched(&self, series: &EndingSeries) {
        if let Some(unmatched) = &series.unmatched {
            unmatched.count_success(|| self.has_matched_route());
        }
    }

    /// Not buffered: in Prometheus' convention the duration may belong to this route, while the counters belong to the overflow
    /// route.
    #[cold]
    fn record_beyond_limit(
        &self,
        route: &Route,
        ending: Ending,
        duration: f64,
        sent: u64,
        span: Option<SpanIds>,
    ) {
        if let Some((_, overflow)) = self.routes.overflow_ending(route.labels, ending) {
            let own = self.routes.without_ending(route);
            self.measure(span, || overflow.add_beyond_limit(own, duration, sent));
        }
    }

    /// Adds all buffered requests to their series, and reports the requests in flight. `in_flight` returns their number for a
    /// slot.
    pub(crate) fn flush(&self, in_flight: impl Fn(InFlightSlot) -> i64) {
        self.flags.set(Flag::IS_COLLECTED);
        // Before the batches are flushed: a request that is not in flight any more is then recorded, or is in one of the
        // batches.
        self.in_flight.report(in_flight);
        // The current span may be that of the scrape.
        self.measure(None, || self.flush_batches());
    }

    fn flush_batches(&self) {
        for route in self.routes.iter() {
            for series in route.endings.iter() {
                for batch in series.batches.iter().filter_map(OnceLock::get) {
                    batch.flush(|durations| series.add_requests(durations));
                }
            }
        }
    }

    /// Whether any request had a route of its own.
    fn has_matched_route(&self) -> bool {
        self.routes.iter().any(|route| !is_unmatched(route.endpoint.as_str()))
    }

    pub(crate) fn record_request_body_size(
        &self,
        route: RouteId,
        ending: Ending,
        bytes: u64,
        span: Option<SpanIds>,
    ) {
        let Some(route) = self.routes.get(route) else { return };
        let record = |size: &Option<HistogramSeries>| {
            if let Some(size) = size {
                self.measure(span, || size.record(bytes as f64));
            }
        };
        if let Some(series) = self.routes.ending(route, ending) {
            self.routes.request_body_sizes(route, series).iter().for_each(record);
        } else if let Some((overflow_route, overflow)) =
            self.routes.overflow_ending(route.labels, ending)
        {
            let [prometheus, semantic] = self.routes.request_body_sizes(overflow_route, overflow);
            let own = self.routes.without_ending(route);
            record(own.map_or(prometheus, |own| &own.request_body_size));
            record(semantic);
        }
    }

    pub(crate) fn upgraded_connection_opened(&self, route: RouteId) {
        if let Some(upgrades) = self.upgrades(route) {
            upgrades.in_flight.add(1);
        }
    }

    pub(crate) fn upgraded_connection_closed(
        &self,
        route: RouteId,
        duration: Duration,
        span: Option<SpanIds>,
    ) {
        if let Some(upgrades) = self.upgrades(route) {
            upgrades.in_flight.add(-1);
            self.measure(span, || upgrades.duration.record(duration.as_secs_f64()));
        }
    }

    fn upgrades(&self, route: RouteId) -> Option<&UpgradeSeries> {
        self.routes.upgrades(self.routes.get(route)?)
    }
}

/// How many templates are kept for one route. Several, because several routers can have one layer. Few, because inside of
/// `Router::nest_service` axum makes a new template for each request.
#[cfg(feature = "axum")]
const MAX_TEMPLATES: u8 = 4;

/// Prints the settings, and not the table with its thousands of slots.
impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("settings", self.routes.settings()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
