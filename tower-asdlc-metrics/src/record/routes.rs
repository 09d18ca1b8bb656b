//! Finds the route and the ending of a request, and creates their series when they are new.

use crate::labels::ending::{Ending, Status};
use crate::labels::prometheus_labels::ErrorType;
use crate::labels::request_head::RequestHead;
use crate::labels::request_labels::RequestLabels;
use crate::labels::semantic_labels::SemanticLabels;
use crate::labels::side::Side;
use crate::labels::values::{OVERFLOW, UNMATCHED};
use crate::record::append_list::AppendList;
use crate::record::entry_limit::EntryLimit;
use crate::record::hosts::Hosts;
use crate::record::instruments::{
    HistogramSeries, Instruments, UpDownCounterSeries, UpgradeInstruments,
};
use crate::record::prometheus_series::{PrometheusEnding, PrometheusSeries};
use crate::record::route::{
    EndingSeries, Route, RouteHistograms, RouteKey, UpgradeSeries, get_or_create,
};
use crate::record::route_table::{RouteId, RouteTable};
use crate::record::semantic_series::SemanticSeries;
use crate::record::series_limits::SeriesLimits;
use crate::record::settings::Settings;
use crate::record::thread_index;
use crate::record::unmatched_warning::{UnmatchedWarning, is_unmatched};
use opentelemetry::KeyValue;
use std::borrow::Cow;
#[cfg(feature = "axum")]
use std::sync::atomic::AtomicU8;
use std::sync::{Arc, OnceLock};

pub(crate) struct Routes {
    settings: Settings,
    hosts: Option<Hosts>,
    instruments: Instruments,
    limits: SeriesLimits,
    table: RouteTable<Route>,
    /// Counts the [`EndingSeries`] of all routes.
    endings: EntryLimit,
    unmatched: Arc<UnmatchedWarning>,
    has_exemplars: bool,
}

impl Routes {
    pub(crate) fn new(instruments: Instruments, settings: Settings, has_exemplars: bool) -> Self {
        let limits = SeriesLimits::new(settings.max_series, settings.methods.count());
        Self {
            hosts: settings.hosts.clone().map(Hosts::new),
            settings,
            instruments,
            table: RouteTable::with_capacity(limits.routes),
            limits,
            endings: EntryLimit::default(),
            unmatched: Arc::default(),
            has_exemplars,
        }
    }

    #[inline(always)]
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn hosts(&self) -> Option<&Hosts> {
        self.hosts.as_ref()
    }

    pub(crate) fn instruments(&self) -> &Instruments {
        &self.instruments
    }

    #[inline(always)]
    pub(crate) fn get(&self, id: RouteId) -> Option<&Route> {
        self.table.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Route> {
        self.table.iter()
    }

    /// Finds the route of a request. If the route does not exist yet, returns its endpoint as the error. The route is then
    /// [created](Self::find_or_create) with the response, which may name another endpoint. Calls `on_unknown` if the route does not
    /// exist, also if the request belongs to an overflow route.
    #[inline(always)]
    pub(crate) fn find_by_head(
        &self,
        labels: RequestLabels,
        head: RequestHead<'_>,
        on_unknown: impl FnOnce(),
    ) -> Result<RouteId, Box<str>> {
        let endpoint = self.settings.endpoint.endpoint(head).unwrap_or(Cow::Borrowed(UNMATCHED));
        match self.find(RouteKey { labels, endpoint: &endpoint }) {
            Some(route) => Ok(route),
            None => {
                on_unknown();
                self.find_overflow(labels, endpoint)
            }
        }
    }

    /// Once the series limit is reached, returns the overflow route for every unknown endpoint. This does not allocate.
    #[cold]
    fn find_overflow(
        &self,
        labels: RequestLabels,
        endpoint: Cow<'_, str>,
    ) -> Result<RouteId, Box<str>> {
        let is_full = self.table.is_full(self.limits.own_labels);
        // Another thread may have created the route since it was not found. Once the table is full, no route is created any more.
        let found = || {
            let own = self.find(RouteKey { labels, endpoint: &endpoint });
            own.or_else(|| self.find(RouteKey::of_overflow(labels)))
        };
        is_full.then(found).flatten().ok_or_else(|| endpoint.into())
    }

    /// Returns the route of this key. If it would be beyond the series limit, returns the overflow route of the method. This is
    /// never `None`, because the table has space for all overflow routes.
    #[cold]
    pub(crate) fn find_or_create(&self, key: RouteKey<'_>) -> Option<RouteId> {
        self.find_or_create_within(self.limits.own_labels, key)
            .or_else(|| self.overflow_route(key.labels))
    }

    fn overflow_route(&self, labels: RequestLabels) -> Option<RouteId> {
        self.find_or_create_within(self.limits.routes, RouteKey::of_overflow(labels))
    }

    #[inline(always)]
    fn find(&self, key: RouteKey<'_>) -> Option<RouteId> {
        self.table.find(key.hashed(), |route| route.has(key))
    }

    fn find_or_create_within(&self, limit: usize, key: RouteKey<'_>) -> Option<RouteId> {
        let create = || self.create_route(key);
        self.table.find_or_add(limit, key.hashed(), |route| route.has(key), create)
    }

    fn create_route(&self, key: RouteKey<'_>) -> Route {
        let RouteKey { labels, endpoint } = key;
        let time_to_headers = self.instruments.time_to_headers.as_ref();
        let is_streaming =
            self.settings.streaming_endpoints.iter().any(|streaming| streaming == endpoint);
        Route {
            labels,
            endpoint: endpoint.into(),
            is_streaming,
            #[cfg(feature = "axum")]
            templates: AtomicU8::new(0),
            endings: AppendList::new(),
            time_to_headers: time_to_headers
                .map(|instrument| HistogramSeries::new(instrument, &self.attributes(key))),
            without_ending: OnceLock::new(),
            upgrades: OnceLock::new(),
        }
    }

    /// Returns the series of a route for this ending; `None` if they would be beyond the series limit.
    #[inline(always)]
    pub(crate) fn ending<'a>(&self, route: &'a Route, ending: Ending) -> Option<&'a EndingSeries> {
        match route.endings.first() {
            Some(series) if series.ending == ending => Some(series),
            _ => self.ending_within(self.limits.own_labels, route, ending),
        }
    }

    /// Returns the overflow route and its series, for requests beyond the series limit. Never `None`: if there is no space for
    /// this ending, there is space for every reduced one.
    #[cold]
    pub(crate) fn overflow_ending(
        &self,
        labels: RequestLabels,
        ending: Ending,
    ) -> Option<(&Route, &EndingSeries)> {
        let SeriesLimits { overflow_endings, endings, .. } = self.limits;
        let route = self.get(self.overflow_route(labels)?)?;
        let series = self.ending_within(overflow_endings, route, ending).or_else(|| {
            let side = self.settings.side;
            let error = SemanticLabels::reduced_error(ending, side, route.is_streaming);
            let reduced = ending.reduced(error);
            self.ending_within(endings, route, reduced)
        });
        Some((route, series?))
    }

    #[inline(never)]
    fn ending_within<'a>(
        &self,
        limit: usize,
        route: &'a Route,
        ending: Ending,
    ) -> Option<&'a EndingSeries> {
        let matches = |series: &EndingSeries| series.ending == ending;
        let create = || self.create_ending(route, ending);
        route.endings.find_or_add(&self.endings, limit, matches, create)
    }

    fn create_ending(&self, route: &Route, ending: Ending) -> EndingSeries {
        let (key, is_streaming) = (route.key(), route.is_streaming);
        let Instruments { prometheus, semantic, .. } = &self.instruments;
        let batches = (0..thread_index::shard_count()).map(|_| OnceLock::new()).collect();
        let is_success = ErrorType::of(ending, is_streaming).is_none()
            && matches!(ending.status(), Status::Sent(status) if status.is_success());
        // A client has no router, so the warning does not concern it.
        let may_be_unmatched = is_success && self.settings.side == Side::Server;
        let unmatched = (may_be_unmatched && is_unmatched(route.endpoint.as_str()))
            .then(|| Arc::clone(&self.unmatched));
        let prometheus = prometheus.as_ref().map(|instruments| {
            self.prometheus_series().of_ending(instruments, key, ending, is_streaming)
        });
        let semantic = semantic.as_ref().map(|instruments| {
            self.semantic_series().of_ending(instruments, key, ending, is_streaming)
        });
        EndingSeries {
            ending,
            has_sinks: prometheus.as_ref().is_none_or(PrometheusEnding::has_sinks)
                && semantic.as_ref().is_none_or(|own| own.duration.sink().is_some()),
            prometheus,
            semantic,
            batches,
            request_body_sizes: OnceLock::new(),
            unmatched,
        }
    }

    /// The histograms of a route, for requests whose ending is beyond the series limit.
    #[cold]
    pub(crate) fn without_ending<'a>(&self, route: &'a Route) -> Option<&'a RouteHistograms> {
        let histograms = get_or_create(&route.without_ending, || {
            let instruments = self.instruments.prometheus.as_ref()?;
            let series = self.prometheus_series();
            series.of_route_without_ending(instruments, route.key(), route.is_streaming)
        });
        histograms.as_ref()
    }

    /// The series for the size of the request's body, one for each convention. All are `None` if these sizes are not recorded.
    pub(crate) fn request_body_sizes<'a>(
        &self,
        route: &Route,
        series: &'a EndingSeries,
    ) -> &'a [Option<HistogramSeries>; 2] {
        let Instruments { prometheus, semantic, .. } = &self.instruments;
        let (key, ending) = (route.key(), series.ending);
        get_or_create(&series.request_body_sizes, || {
            let prometheus = prometheus.as_ref().and_then(|instruments| {
                self.prometheus_series().request_body_size(instruments, key, ending)
            });
            let semantic = semantic.as_ref().and_then(|instruments| {
                let series = self.semantic_series();
                series.request_body_size(instruments, key, ending, route.is_streaming)
            });
            [prometheus, semantic]
        })
    }

    /// `None` if upgraded connections are not counted.
    pub(crate) fn upgrades<'a>(&self, route: &'a Route) -> Option<&'a UpgradeSeries> {
        let UpgradeInstruments { in_flight, duration } = self.instruments.upgrades.as_ref()?;
        Some(get_or_create(&route.upgrades, || {
            let attributes = self.attributes(route.key());
            UpgradeSeries {
                in_flight: UpDownCounterSeries::new(in_flight, &attributes),
                duration: HistogramSeries::new(duration, &attributes),
            }
        }))
    }

    /// The series of the requests in flight, one for each convention.
    pub(crate) fn in_flight(&self, labels: RequestLabels) -> [Option<UpDownCounterSeries>; 2] {
        let Instruments { prometheus, semantic, .. } = &self.instruments;
        let prometheus = prometheus
            .as_ref()
            .and_then(|instruments| self.prometheus_series().in_flight(instruments, labels));
        let semantic = semantic
            .as_ref()
            .and_then(|instruments| self.semantic_series().active_requests(instruments, labels));
        [prometheus, semantic]
    }

    /// The labels of a route in the metrics that no convention has: those of the layer's first convention.
    fn attributes(&self, key: RouteKey<'_>) -> Vec<KeyValue> {
        match self.instruments.prometheus {
            Some(_) => self.prometheus_series().of_route(key),
            None => self.semantic_series().of_route(key),
        }
    }

    fn prometheus_series(&self) -> PrometheusSeries<'_> {
        let has_exemplars = self.has_exemplars;
        PrometheusSeries { settings: &self.settings, hosts: self.hosts(), has_exemplars }
    }

    fn semantic_series(&self) -> SemanticSeries<'_> {
        let has_exemplars = self.has_exemplars;
        SemanticSeries { settings: &self.settings, hosts: self.hosts(), has_exemplars }
    }
}

impl RouteKey<'static> {
    fn of_overflow(labels: RequestLabels) -> Self {
        Self { labels: labels.of_overflow(), endpoint: OVERFLOW }
    }
}
