//! prometheus 0.14, as its documentation says.

use crate::workload::{self, BOUNDARIES, DURATION_HELP, REQUESTS_HELP};
use crate::{Content, Subject};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, Opts, ProtobufEncoder, Registry,
    TextEncoder,
};

pub fn text(series: usize) -> Subject {
    let scrape = encoded(registry(series), TextEncoder::new());
    Subject::new("prometheus 0.14", Content::Text, scrape)
}

pub fn protobuf(series: usize) -> Subject {
    let scrape = encoded(registry(series), ProtobufEncoder::new());
    Subject::new("prometheus 0.14", Content::Protobuf, scrape)
}

/// What is in a registry.
pub fn encoded(registry: Registry, encoder: impl Encoder) -> impl FnMut(&mut crate::Answer<'_>) {
    let mut answer = Vec::new();
    move |take| {
        answer.clear();
        encoder.encode(&registry.gather(), &mut answer).expect("names and values are valid");
        take(&answer);
    }
}

fn registry(series: usize) -> Registry {
    let registry = Registry::new();
    let labels = ["method", "endpoint", "status", "zone"];
    let requests = IntCounterVec::new(Opts::new("http_requests_total", REQUESTS_HELP), &labels);
    let duration = HistogramOpts::new("http_request_duration_seconds", DURATION_HELP);
    let durations = HistogramVec::new(duration.buckets(BOUNDARIES.to_vec()), &labels);
    let (requests, durations) = (requests.expect("names"), durations.expect("names"));
    registry.register(Box::new(requests.clone())).expect("the first");
    registry.register(Box::new(durations.clone())).expect("the first");
    for workload::Series { method, endpoint, status, zone, durations: values, requests: count } in
        workload::all(series)
    {
        let labels = [method, endpoint.as_str(), &status.to_string(), zone];
        requests.with_label_values(&labels).inc_by(count);
        let histogram = durations.with_label_values(&labels);
        values.into_iter().for_each(|value| histogram.observe(value));
    }
    registry
}
