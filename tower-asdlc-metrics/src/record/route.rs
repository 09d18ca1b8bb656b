//! A route and its series.

use crate::labels::ending::Ending;
use crate::labels::request_labels::RequestLabels;
use crate::record::append_list::AppendList;
use crate::record::batch::Batch;
use crate::record::exemplars::SpanIds;
use crate::record::inline_str::InlineStr;
use crate::record::instruments::{
    CounterSeries, ExemplarSink, HistogramSeries, UpDownCounterSeries,
};
use crate::record::prometheus_series::PrometheusEnding;
use crate::record::semantic_series::SemanticEnding;
use crate::record::thread_index;
use crate::record::unmatched_warning::UnmatchedWarning;
#[cfg(feature = "axum")]
use std::sync::atomic::AtomicU8;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// What identifies a route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RouteKey<'a> {
    pub(crate) labels: RequestLabels,
    pub(crate) endpoint: &'a str,
}

/// The series of one endpoint and one set of [`RequestLabels`].
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Route {
    pub(crate) labels: RequestLabels,
    pub(crate) endpoint: InlineStr,
    /// Whether its requests last until the client leaves.
    pub(crate) is_streaming: bool,
    /// How many templates [`MatchedRoutes`](crate::record::matched_routes::MatchedRoutes) keeps for it.
    #[cfg(feature = "axum")]
    pub(crate) templates: AtomicU8,
    pub(crate) endings: AppendList<EndingSeries>,
    pub(crate) time_to_headers: Option<HistogramSeries>,
    /// Created by the first request whose ending is beyond the series limit. `None` if the histograms have labels of the ending.
    pub(crate) without_ending: OnceLock<Option<RouteHistograms>>,
    /// Created by the first upgrade: most routes have none.
    pub(crate) upgrades: OnceLock<UpgradeSeries>,
}

/// The series of a route's upgraded connections.
#[derive(Debug)]
pub(crate) struct UpgradeSeries {
    pub(crate) in_flight: UpDownCounterSeries,
    pub(crate) duration: HistogramSeries,
}

/// The histograms of Prometheus' convention that do not depend on how a request ended. A request whose ending is beyond the series
/// limit is counted under the overflow value, and timed and sized under its own endpoint.
#[derive(Debug)]
pub(crate) struct RouteHistograms {
    /// `None` for streaming endpoints.
    pub(crate) duration: Option<HistogramSeries>,
    pub(crate) response_body_size: Option<HistogramSeries>,
    pub(crate) request_body_size: Option<HistogramSeries>,
}

/// The series of those requests of a route that ended in the same way. Series of different endings can have the same labels; the
/// SDK adds them up.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct EndingSeries {
    pub(crate) ending: Ending,
    pub(crate) prometheus: Option<PrometheusEnding>,
    pub(crate) semantic: Option<SemanticEnding>,
    /// Whether all counters and durations have a sink for exemplars.
    pub(crate) has_sinks: bool,
    /// The durations of requests that are not flushed yet, one batch for each thread.
    pub(crate) batches: Box<[OnceLock<Box<Batch>>]>,
    /// Created when first needed: most services have no `RequestBodyLayer`.
    pub(crate) request_body_sizes: OnceLock<[Option<HistogramSeries>; 2]>,
    /// Only for successful requests that matched no route.
    pub(crate) unmatched: Option<Arc<UnmatchedWarning>>,
}

impl<'a> RouteKey<'a> {
    /// The key as [`RouteTable`](crate::record::route_table::RouteTable) hashes it.
    #[inline(always)]
    pub(crate) fn hashed(&self) -> (u64, &'a str) {
        (self.labels.number(), self.endpoint)
    }
}

impl Route {
    pub(crate) fn key(&self) -> RouteKey<'_> {
        RouteKey { labels: self.labels, endpoint: self.endpoint.as_str() }
    }

    #[inline(always)]
    pub(crate) fn has(&self, key: RouteKey<'_>) -> bool {
        let RouteKey { labels, endpoint } = key;
        self.labels == labels && self.endpoint.equals(endpoint)
    }
}

impl EndingSeries {
    /// The batch of this thread; `None` if the thread's index is beyond all shards.
    #[inline(always)]
    pub(crate) fn batch(&self) -> Option<&Batch> {
        match self.batches.get(thread_index::claimed()) {
            Some(batch) => Some(batch.get_or_init(Box::default)),
            None => self.batch_of_claimed(),
        }
    }

    /// The rest of [`batch`](Self::batch): this thread has no index yet, or one beyond all shards.
    #[inline(never)]
    fn batch_of_claimed(&self) -> Option<&Batch> {
        Some(self.batches.get(thread_index::current())?.get_or_init(Box::default))
    }

    /// Adds requests with these durations, in seconds, to the series of the SDK.
    #[inline]
    pub(crate) fn add_requests(&self, durations: &[f64]) {
        if let Some(PrometheusEnding { requests, failed, duration, .. }) = &self.prometheus {
            let count = durations.len() as u64;
            requests.add(count);
            if let Some(failed) = failed {
                failed.add(count);
            }
            if let Some(series) = duration {
                durations.iter().for_each(|duration| series.record(*duration));
            }
        }
        if let Some(SemanticEnding { duration: series, .. }) = &self.semantic {
            durations.iter().for_each(|duration| series.record(*duration));
        }
    }

    /// Records the exemplars of a request, whose measurements are added without its span. Call it only if there
    /// [are sinks](Self::has_sinks).
    #[inline(always)]
    pub(crate) fn add_exemplars(&self, duration: f64, span: (SpanIds, Instant)) {
        let record = |sink: Option<&ExemplarSink>, value| {
            if let Some(sink) = sink {
                sink.record(value, span);
            }
        };
        if let Some(PrometheusEnding { requests, failed, duration: series, .. }) = &self.prometheus
        {
            record(requests.sink(), 1.0);
            record(failed.as_ref().and_then(CounterSeries::sink), 1.0);
            record(series.as_ref().and_then(HistogramSeries::sink), duration);
        }
        if let Some(SemanticEnding { duration: series, .. }) = &self.semantic {
            record(series.sink(), duration);
        }
    }

    /// Does nothing if the sizes of bodies are not recorded.
    #[inline]
    pub(crate) fn record_response_body_size(&self, bytes: u64) {
        let prometheus = self.prometheus.as_ref().and_then(|own| own.response_body_size.as_ref());
        let semantic = self.semantic.as_ref().and_then(|own| own.response_body_size.as_ref());
        prometheus.into_iter().chain(semantic).for_each(|size| size.record(bytes as f64));
    }

    /// Adds a request of another route, whose ending is beyond the series limit.
    pub(crate) fn add_beyond_limit(
        &self,
        own: Option<&RouteHistograms>,
        duration: f64,
        bytes: u64,
    ) {
        if let Some(overflow) = &self.prometheus {
            overflow.requests.add(1);
            if let Some(failed) = &overflow.failed {
                failed.add(1);
            }
            let overflow = (&overflow.duration, &overflow.response_body_size);
            let (time, size) = own.map_or(overflow, |own| (&own.duration, &own.response_body_size));
            time.iter().for_each(|series| series.record(duration));
            size.iter().for_each(|series| series.record(bytes as f64));
        }
        if let Some(SemanticEnding { duration: time, response_body_size }) = &self.semantic {
            time.record(duration);
            response_body_size.iter().for_each(|series| series.record(bytes as f64));
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

/// The attribute that the SDK sets on its own overflow series. With it, a reader recognises the overflow series of every
/// instrument.
pub(crate) const SDK_OVERFLOW: &str = "otel.metric.overflow";
