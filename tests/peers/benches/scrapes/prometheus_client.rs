//! prometheus-client 0.26, as its documentation says.

use crate::workload::{self, BOUNDARIES, DURATION_HELP, REQUESTS_HELP};
use crate::{Content, Subject};
use prometheus_client::encoding::{EncodeLabelSet, prometheus_protobuf, prometheus_text, text};
use prometheus_client::metrics::histogram::{Histogram, NativeHistogramConfig};
use prometheus_client::metrics::{counter::Counter, family::Family};
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    method: &'static str,
    endpoint: String,
    status: u16,
    zone: &'static str,
}

pub fn open_metrics(series: usize) -> Subject {
    let registry = registry(series, || Histogram::new(BOUNDARIES));
    let mut answer = String::new();
    Subject::new("prometheus-client 0.26, OpenMetrics", Content::Text, move |take| {
        answer.clear();
        text::encode(&mut answer, &registry).expect("text");
        take(answer.as_bytes());
    })
}

pub fn text(series: usize) -> Subject {
    let registry = registry(series, || Histogram::new(BOUNDARIES));
    let mut answer = String::new();
    Subject::new("prometheus-client 0.26", Content::Text, move |take| {
        answer.clear();
        prometheus_text::encode(&mut answer, &registry).expect("text");
        take(answer.as_bytes());
    })
}

pub fn protobuf(series: usize) -> Subject {
    let new = || Histogram::new(BOUNDARIES);
    of("prometheus-client 0.26", Content::Protobuf, registry(series, new))
}

pub fn native(series: usize) -> Subject {
    let new = || Histogram::new_native(config());
    of("prometheus-client 0.26", Content::NativeProtobuf, registry(series, new))
}

pub fn native_and_classic(series: usize) -> Subject {
    let new = || Histogram::new_classic_and_native(BOUNDARIES, config());
    let registry = registry(series, new);
    of("prometheus-client 0.26, with classic buckets", Content::NativeProtobuf, registry)
}

fn config() -> NativeHistogramConfig {
    NativeHistogramConfig::with_schema(8).max_buckets(160)
}

/// It returns new memory each time.
fn of(name: &'static str, content: Content, registry: Registry) -> Subject {
    Subject::new(name, content, move |take| {
        take(&prometheus_protobuf::encode_to_vec(&registry).expect("protobuf"));
    })
}

fn registry(series: usize, new: fn() -> Histogram) -> Registry {
    let requests = Family::<Labels, Counter>::default();
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
    registry
}
