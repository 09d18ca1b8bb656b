//! prometheus 0.14, as its documentation says.

use crate::Subject;
use crate::workload::{self, BOUNDARIES, DURATION_HELP, REQUESTS_HELP};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder,
};

pub fn subject(series: usize) -> Subject {
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
    let mut text = Vec::new();
    Subject::new("prometheus 0.14", move |answer| {
        text.clear();
        TextEncoder::new().encode(&registry.gather(), &mut text).expect("text");
        answer(&text);
    })
}
