//! prometheus-client 0.26, as its documentation says. It writes OpenMetrics.

use crate::Subject;
use crate::workload::{self, BOUNDARIES, DURATION_HELP, REQUESTS_HELP};
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    method: &'static str,
    endpoint: String,
    status: u16,
    zone: &'static str,
}

pub fn subject(series: usize) -> Subject {
    let requests = Family::<Labels, Counter>::default();
    let new: fn() -> Histogram = || Histogram::new(BOUNDARIES);
    let durations = Family::<Labels, Histogram, _>::new_with_constructor(new);
    let mut registry = Registry::default();
    registry.register("http_requests", REQUESTS_HELP, requests.clone());
    registry.register("http_request_duration_seconds", DURATION_HELP, durations.clone());
    for workload::Series { method, endpoint, status, zone, durations: values, requests: count } in
        workload::all(series)
    {
        let labels = Labels { method, endpoint, status, zone };
        requests.get_or_create(&labels).inc_by(count);
        let histogram = durations.get_or_create(&labels);
        values.into_iter().for_each(|value| histogram.observe(value));
    }
    let mut text = String::new();
    Subject::new("prometheus-client 0.26, OpenMetrics", move |answer| {
        text.clear();
        encode(&mut text, &registry).expect("text");
        answer(text.as_bytes());
    })
}
