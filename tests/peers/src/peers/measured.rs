//! measured 0.0.25 in a hand-written layer: a counter and a histogram, recorded when the service responds.
//!
//! The routes are known when it is built, as its documentation recommends. Its histogram is then an array, which needs no lock.
//! Its counter, with 900 possible statuses, is a sharded map.

use super::hand_written::{
    BOUNDARIES, Exchange, HandWritten, Method, Metrics, NO_ENDPOINT, recorded_in,
};
use crate::recorded::Recorded;
use ahash::RandomState;
use axum::extract::MatchedPath;
use axum::http::StatusCode;
use lasso::{Rodeo, RodeoReader, Spur};
use measured::label::{LabelValue, LabelVisitor};
use measured::metric::histogram::Thresholds;
use measured::text::BufferedTextEncoder;
use measured::{CounterVec, FixedCardinalityLabel, HistogramVec, LabelGroup, MetricGroup};
use std::sync::Arc;

pub const NAME: &str = "measured 0.0.25 in a hand-written layer";

/// With the program's routes.
pub fn layer(routes: &[&str]) -> (HandWritten<impl Metrics + Send + Sync + use<>>, Recorded) {
    let mut endpoints = Rodeo::<Spur, _>::with_hasher(RandomState::new());
    for endpoint in routes.iter().chain(&[NO_ENDPOINT]) {
        endpoints.get_or_intern(endpoint);
    }
    let metrics = Arc::new(HttpMetrics::new(Arc::new(endpoints.into_reader())));
    let recorded = Arc::clone(&metrics);
    let recorded = move |endpoint: &str| {
        let mut encoder = BufferedTextEncoder::new();
        recorded.collect_group_into(&mut encoder).expect("memory does not fail");
        let text = encoder.finish();
        recorded_in(&String::from_utf8_lossy(&text), endpoint)
    };
    (HandWritten::new(metrics), Box::new(recorded))
}

#[derive(MetricGroup)]
#[metric(new(endpoints: Endpoints))]
struct HttpMetrics {
    /// Requests.
    #[metric(label_set = RequestLabelsSet::new(Arc::clone(&endpoints)))]
    http_requests_total: CounterVec<RequestLabelsSet>,
    /// Seconds to the response.
    #[metric(
        label_set = DurationLabelsSet::new(endpoints),
        metadata = Thresholds::with_buckets(BOUNDARIES)
    )]
    http_request_duration_seconds: HistogramVec<DurationLabelsSet, { BOUNDARIES.len() }>,
}

impl Metrics for Arc<HttpMetrics> {
    fn record(&self, Exchange { method, endpoint, status, duration }: Exchange) {
        let endpoint = endpoint.as_ref().map_or(NO_ENDPOINT, MatchedPath::as_str);
        let labels = |endpoint| RequestLabels { endpoint, method, status: Status(status) };
        let requests = &self.http_requests_total;
        let series = requests.try_with_labels(labels(endpoint));
        // A route that was forgotten in the list must not panic.
        let series = series.unwrap_or_else(|| requests.with_labels(labels(NO_ENDPOINT)));
        requests.get_metric(series).inc();

        let labels = |endpoint| DurationLabels { endpoint, method };
        let durations = &self.http_request_duration_seconds;
        let series = durations.try_with_labels(labels(endpoint));
        let series = series.unwrap_or_else(|| durations.with_labels(labels(NO_ENDPOINT)));
        durations.get_metric(series).observe_duration(duration);
    }
}

#[derive(Clone, Copy, LabelGroup)]
#[label(set = RequestLabelsSet)]
struct RequestLabels<'a> {
    #[label(fixed_with = Endpoints)]
    endpoint: &'a str,
    method: Method,
    status: Status,
}

#[derive(Clone, Copy, LabelGroup)]
#[label(set = DurationLabelsSet)]
struct DurationLabels<'a> {
    #[label(fixed_with = Endpoints)]
    endpoint: &'a str,
    method: Method,
}

type Endpoints = Arc<RodeoReader<Spur, RandomState>>;

/// 100 to 999.
#[derive(Clone, Copy)]
struct Status(StatusCode);

impl FixedCardinalityLabel for Status {
    fn cardinality() -> usize {
        900
    }

    fn encode(&self) -> usize {
        usize::from(self.0.as_u16() - 100)
    }

    fn decode(value: usize) -> Self {
        let status = u16::try_from(value + 100).ok();
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        Self(status.expect("a status that was encoded"))
    }
}

impl LabelValue for Status {
    fn visit<V: LabelVisitor>(&self, visitor: V) -> V::Output {
        visitor.write_int(self.0.as_u16().into())
    }
}
