//! prometheus-client 0.26 in a hand-written layer: a counter and a histogram, recorded when the service responds.
//!
//! The labels are a struct that owns no text of its own, so that looking a series up allocates nothing.

use super::hand_written::{
    BOUNDARIES, Exchange, HandWritten, Method, Metrics, NO_ENDPOINT, recorded_in,
};
use crate::recorded::Recorded;
use axum::extract::MatchedPath;
use prometheus_client::encoding::{
    EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode,
};
use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};
use prometheus_client::registry::Registry;
use std::fmt;
use std::hash::{Hash, Hasher};

pub const NAME: &str = "prometheus-client 0.26.0 in a hand-written layer";

pub fn layer() -> (HandWritten<impl Metrics + Send + Sync>, Recorded) {
    let new: fn() -> Histogram = || Histogram::new(BOUNDARIES);
    let metrics =
        HttpMetrics { requests: Family::default(), durations: Family::new_with_constructor(new) };
    let mut registry = Registry::default();
    registry.register("http_requests", "Requests", metrics.requests.clone());
    let durations = metrics.durations.clone();
    registry.register("http_request_duration_seconds", "Seconds to the response", durations);
    let recorded = move |endpoint: &str| {
        let mut text = String::new();
        encode(&mut text, &registry).expect("memory does not fail");
        recorded_in(&text, endpoint)
    };
    (HandWritten::new(metrics), Box::new(recorded))
}

struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<DurationLabels, Histogram>,
}

impl Metrics for HttpMetrics {
    fn record(&self, Exchange { method, endpoint, status, duration }: Exchange) {
        let labels = DurationLabels { method, endpoint: Endpoint(endpoint) };
        self.durations.get_or_create(&labels).observe(duration.as_secs_f64());
        let DurationLabels { method, endpoint } = labels;
        let labels = RequestLabels { method, endpoint, status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    endpoint: Endpoint,
    method: Method,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    endpoint: Endpoint,
    method: Method,
}

/// A reference to axum's text.
#[derive(Clone, Debug)]
struct Endpoint(Option<MatchedPath>);

impl Endpoint {
    fn as_str(&self) -> &str {
        self.0.as_ref().map_or(NO_ENDPOINT, MatchedPath::as_str)
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Endpoint {}

impl Hash for Endpoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for Endpoint {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.as_str().encode(encoder)
    }
}

impl EncodeLabelValue for Method {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.as_str().encode(encoder)
    }
}
