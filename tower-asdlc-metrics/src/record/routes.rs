//! Finds the route and the counters of a request, and creates their series when they are new.

use crate::labels::methods::MethodId;
use crate::labels::outcome_labels::OutcomeLabels;
use crate::labels::request_head::RequestHead;
use crate::labels::user_label::{UserLabel, UserLabelValues};
use crate::labels::values::{OVERFLOW, UNMATCHED};
use crate::record::append_list::AppendList;
use crate::record::entry_limit::EntryLimit;
use crate::record::instruments::{
    CounterSeries, HistogramSeries, Instruments, UpDownCounterSeries, UpgradeInstruments,
};
use crate::record::route::{Route, RouteCounters, RouteKey, UpgradeSeries, get_or_create};
use crate::record::route_table::{RouteId, RouteTable};
use crate::record::series_limits::SeriesLimits;
use crate::record::settings::Settings;
use crate::record::thread_index;
use crate::record::unmatched_warning::{UnmatchedWarning, is_unmatched};
use opentelemetry::KeyValue;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

pub(crate) struct Routes {
    settings: Settings,
    instruments: Instruments,
    limits: SeriesLimits,
    table: RouteTable<Route>,
    /// Counts the [`RouteCounters`] of all routes.
    counters: EntryLimit,
    unmatched: Arc<UnmatchedWarning>,
}

impl Routes {
    pub(crate) fn new(instruments: Instruments, settings: Settings) -> Self {
        let limits = SeriesLimits::new(settings.max_series, settings.methods.count());
        Self {
            settings,
            instruments,
            table: RouteTable::with_capacity(limits.routes),
            limits,
            counters: EntryLimit::default(),
            unmatched: Arc::default(),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
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

    /// Reads the user labels of a request, and finds its route. If the route does not exist yet, returns its endpoint as the
    /// error. The route is then [created](Self::find_or_create) with the response, which may name another endpoint.
    #[inline(always)]
    pub(crate) fn find_by_head(
        &self,
        method: MethodId,
        head: RequestHead<'_>,
    ) -> (UserLabelValues, Result<RouteId, Box<str>>) {
        let Settings { endpoint, user_labels: labels, .. } = &self.settings;
        let user_labels = if labels.is_empty() {
            UserLabelValues::default()
        } else {
            UserLabel::read_all(labels, head)
        };
        let endpoint = endpoint.endpoint(head).unwrap_or(Cow::Borrowed(UNMATCHED));
        let route = match self.find(RouteKey { method, user_labels, endpoint: &endpoint }) {
            Some(route) => Ok(route),
            None => self.find_overflow(method, endpoint),
        };
        (user_labels, route)
    }

    /// Once the series limit is reached, returns the overflow route for every unknown endpoint. This does not allocate.
    #[cold]
    fn find_overflow(&self, method: MethodId, endpoint: Cow<'_, str>) -> Result<RouteId, Box<str>> {
        let is_full = self.table.is_full(self.limits.own_labels);
        let overflow = || self.find(RouteKey::overflow(method));
        is_full.then(overflow).flatten().ok_or_else(|| endpoint.into())
    }

    /// Returns the route of this key. If it would be beyond the series limit, returns the overflow route of the method. This is
    /// never `None`, because the table has space for the overflow routes of all methods.
    #[cold]
    pub(crate) fn find_or_create(&self, key: RouteKey<'_>) -> Option<RouteId> {
        self.find_or_create_within(self.limits.own_labels, key)
            .or_else(|| self.overflow_route(key.method))
    }

    fn overflow_route(&self, method: MethodId) -> Option<RouteId> {
        self.find_or_create_within(self.limits.routes, RouteKey::overflow(method))
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
        let RouteKey { method, user_labels, endpoint } = key;
        let attributes = self.attributes(key);
        let series = |instrument| HistogramSeries::new(instrument, &attributes);
        let Instruments { duration, time_to_headers, response_body_size, .. } = &self.instruments;
        let is_streaming =
            self.settings.streaming_endpoints.iter().any(|streaming| streaming == endpoint);
        Route {
            method,
            user_labels,
            endpoint: endpoint.into(),
            is_streaming,
            counters: AppendList::new(),
            duration: (!is_streaming).then(|| series(duration)),
            time_to_headers: time_to_headers.as_ref().map(series),
            response_body_size: response_body_size.as_ref().map(series),
            request_body_size: OnceLock::new(),
            upgrades: OnceLock::new(),
        }
    }

    /// Returns the counters of a route for these labels; `None` if they would be beyond the series limit.
    #[inline]
    pub(crate) fn counters<'a>(
        &self,
        route: &'a Route,
        labels: OutcomeLabels,
    ) -> Option<&'a RouteCounters> {
        let counters = route.counters.find(|counters| counters.labels.equals(labels));
        counters.or_else(|| self.counters_within(self.limits.own_labels, route, labels))
    }

    /// Returns the counters for requests beyond the series limit. Never `None`: if there is no space for counters with this
    /// status, there is space for counters without a status, for each method.
    #[cold]
    pub(crate) fn overflow_counters(
        &self,
        method: MethodId,
        labels: OutcomeLabels,
    ) -> Option<&RouteCounters> {
        let SeriesLimits { overflow_counters, counters, .. } = self.limits;
        let route = self.get(self.overflow_route(method)?)?;
        self.counters_within(overflow_counters, route, labels)
            .or_else(|| self.counters_within(counters, route, labels.without_status()))
    }

    #[cold]
    fn counters_within<'a>(
        &self,
        limit: usize,
        route: &'a Route,
        labels: OutcomeLabels,
    ) -> Option<&'a RouteCounters> {
        let matches = |counters: &RouteCounters| counters.labels.equals(labels);
        let create = || self.create_counters(route, labels);
        route.counters.find_or_add(&self.counters, limit, matches, create)
    }

    fn create_counters(&self, route: &Route, labels: OutcomeLabels) -> RouteCounters {
        let OutcomeLabels { status, grpc_status, error_type } = labels;
        let mut attributes = self.attributes(route.key());
        attributes.push(KeyValue::new("status", status.as_str().to_owned()));
        attributes.extend(grpc_status.map(|status| KeyValue::new("grpc_status", status.as_str())));
        let requests = CounterSeries::new(&self.instruments.requests, &attributes);
        let failed = error_type.map(|error_type| {
            attributes.push(KeyValue::new("error_type", error_type.as_str()));
            CounterSeries::new(&self.instruments.failed, &attributes)
        });
        let batches = (0..thread_index::shard_count()).map(|_| OnceLock::new()).collect();
        let is_success = error_type.is_none() && status.is_success();
        let unmatched = (is_success && is_unmatched(route.endpoint.as_str()))
            .then(|| Arc::clone(&self.unmatched));
        RouteCounters { labels, requests, failed, batches, unmatched }
    }

    /// `None` if the sizes of request bodies are not recorded.
    pub(crate) fn request_body_size<'a>(&self, route: &'a Route) -> Option<&'a HistogramSeries> {
        let instrument = self.instruments.request_body_size.as_ref()?;
        let create = || HistogramSeries::new(instrument, &self.attributes(route.key()));
        Some(get_or_create(&route.request_body_size, create))
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

    /// The labels that all series of a route have.
    fn attributes(&self, key: RouteKey<'_>) -> Vec<KeyValue> {
        let Settings { endpoint_key, methods, user_labels, .. } = &self.settings;
        let own = [(endpoint_key.as_str(), key.endpoint), ("method", methods.name(key.method))];
        let overflow = (key.endpoint == OVERFLOW).then(|| KeyValue::new(SDK_OVERFLOW, true));
        own.into_iter()
            .chain(UserLabel::pairs(user_labels, key.user_labels))
            .map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned()))
            .chain(overflow)
            .collect()
    }
}

impl RouteKey<'static> {
    fn overflow(method: MethodId) -> Self {
        Self { method, user_labels: UserLabelValues::default(), endpoint: OVERFLOW }
    }
}

/// The attribute that the SDK sets on its own overflow series. With it, a reader recognises the overflow series of every
/// instrument.
const SDK_OVERFLOW: &str = "otel.metric.overflow";
