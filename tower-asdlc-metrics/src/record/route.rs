//! A route and its series.

use crate::labels::methods::MethodId;
use crate::labels::outcome_labels::OutcomeLabels;
use crate::labels::user_label::UserLabelValues;
use crate::record::append_list::AppendList;
use crate::record::batch::Batch;
use crate::record::inline_str::InlineStr;
use crate::record::instruments::{CounterSeries, HistogramSeries, UpDownCounterSeries};
use crate::record::thread_index;
use crate::record::unmatched_warning::UnmatchedWarning;
use std::sync::{Arc, OnceLock};

/// What identifies a route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RouteKey<'a> {
    pub(crate) method: MethodId,
    pub(crate) user_labels: UserLabelValues,
    pub(crate) endpoint: &'a str,
}

/// The series of one endpoint, method, and set of user labels.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Route {
    pub(crate) method: MethodId,
    pub(crate) user_labels: UserLabelValues,
    pub(crate) endpoint: InlineStr,
    /// Whether its requests last until the client leaves.
    pub(crate) is_streaming: bool,
    pub(crate) counters: AppendList<RouteCounters>,
    /// `None` for streaming endpoints.
    pub(crate) duration: Option<HistogramSeries>,
    pub(crate) time_to_headers: Option<HistogramSeries>,
    pub(crate) response_body_size: Option<HistogramSeries>,
    /// Created when first needed: most services have no `RequestBodyLayer`.
    pub(crate) request_body_size: OnceLock<HistogramSeries>,
    /// Created by the first upgrade: most routes have none.
    pub(crate) upgrades: OnceLock<UpgradeSeries>,
}

/// The series of a route's upgraded connections.
#[derive(Debug)]
pub(crate) struct UpgradeSeries {
    pub(crate) in_flight: UpDownCounterSeries,
    pub(crate) duration: HistogramSeries,
}

/// The counters of those requests of a route that have the same outcome labels.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct RouteCounters {
    pub(crate) labels: OutcomeLabels,
    pub(crate) requests: CounterSeries,
    pub(crate) failed: Option<CounterSeries>,
    /// The durations of requests that are not flushed yet, one batch for each thread.
    pub(crate) batches: Box<[OnceLock<Box<Batch>>]>,
    /// Only for successful requests that matched no route.
    pub(crate) unmatched: Option<Arc<UnmatchedWarning>>,
}

impl RouteKey<'_> {
    /// The key as [`RouteTable`](crate::record::route_table::RouteTable) hashes it.
    #[inline(always)]
    pub(crate) fn hashed(&self) -> (u64, &str) {
        (self.user_labels.with_method(self.method), self.endpoint)
    }
}

impl Route {
    pub(crate) fn key(&self) -> RouteKey<'_> {
        let Self { method, user_labels, ref endpoint, .. } = *self;
        RouteKey { method, user_labels, endpoint: endpoint.as_str() }
    }

    #[inline(always)]
    pub(crate) fn has(&self, key: RouteKey<'_>) -> bool {
        let RouteKey { method, user_labels, endpoint } = key;
        self.method == method && self.user_labels == user_labels && self.endpoint.equals(endpoint)
    }
}

impl RouteCounters {
    /// The batch of this thread; `None` if the thread's index is beyond all shards.
    #[inline]
    pub(crate) fn batch(&self) -> Option<&Batch> {
        Some(self.batches.get(thread_index::current())?.get_or_init(Box::default))
    }

    /// Adds requests with these durations, in seconds, to the series of the SDK.
    #[inline]
    pub(crate) fn add_requests(&self, route: &Route, durations: &[f64]) {
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

/// Returns the value of the cell. A new value is created outside of the cell's lock, because `create` calls the SDK.
pub(crate) fn get_or_create<T>(cell: &OnceLock<T>, create: impl FnOnce() -> T) -> &T {
    cell.get().unwrap_or_else(|| {
        let created = create();
        cell.get_or_init(|| created)
    })
}
