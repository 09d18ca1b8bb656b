//! What a route holds: its series, and what its requests add to them.

use crate::labels::methods::MethodId;
use crate::labels::outcome::Outcome;
use crate::labels::user_label::LabelIds;
use crate::record::append_list::Chain;
use crate::record::batch::Batch;
use crate::record::inline_str::IsolatedStr;
use crate::record::instruments::{CounterSeries, HistogramSeries, UpDownCounterSeries};
use crate::record::thread_index as threads;
use crate::record::unmatched_warning::Unrouted;
use std::sync::{Arc, OnceLock};

/// A method of an endpoint, with the user's labels. As what it points to, it has cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Route {
    pub(crate) method: MethodId,
    pub(crate) labels: LabelIds,
    pub(crate) endpoint: IsolatedStr,
    /// Its requests last as long as their clients like.
    pub(crate) is_stream: bool,
    pub(crate) counters: Chain<Counters>,
    /// Not of streams.
    pub(crate) duration: Option<HistogramSeries>,
    pub(crate) time_to_headers: Option<HistogramSeries>,
    pub(crate) response_body_size: Option<HistogramSeries>,
    /// Made when first needed: most services have no layer for it.
    pub(crate) request_body_size: OnceLock<HistogramSeries>,
    /// Made with the first: most routes have none.
    pub(crate) upgrades: OnceLock<Upgrades>,
}

/// The upgraded connections of a route.
#[derive(Debug)]
pub(crate) struct Upgrades {
    pub(crate) in_flight: UpDownCounterSeries,
    pub(crate) duration: HistogramSeries,
}

/// The counters of a route's requests that ended alike.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Counters {
    pub(crate) outcome: Outcome,
    pub(crate) requests: CounterSeries,
    pub(crate) failed: Option<CounterSeries>,
    /// How long they took, by thread, until the series are told.
    pub(crate) batches: Box<[OnceLock<Box<Batch>>]>,
    /// Of successes that no route names.
    pub(crate) unrouted: Option<Arc<Unrouted>>,
}

impl Route {
    #[inline(always)]
    pub(crate) fn is(&self, method: MethodId, labels: LabelIds, endpoint: &str) -> bool {
        self.method == method && self.labels == labels && self.endpoint.is(endpoint)
    }
}

impl Counters {
    /// Of this thread.
    #[inline]
    pub(crate) fn batch(&self) -> Option<&Batch> {
        Some(self.batches.get(threads::number())?.get_or_init(Box::default))
    }

    /// Requests have ended so, after so long.
    #[inline]
    pub(crate) fn tell(&self, route: &Route, durations: &[f64]) {
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

/// What is in the cell, made outside of its lock: making it calls the SDK.
pub(crate) fn get_or_make<T>(cell: &OnceLock<T>, make: impl FnOnce() -> T) -> &T {
    cell.get().unwrap_or_else(|| {
        let made = make();
        cell.get_or_init(|| made)
    })
}
