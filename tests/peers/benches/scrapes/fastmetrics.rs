//! fastmetrics 0.7, as its README says.

use crate::workload::{self, BOUNDARIES, DURATION_HELP, REQUESTS_HELP};
use crate::{Content, Subject};
use fastmetrics::derive::LabelSet;
use fastmetrics::format::text::{self, TextProfile};
use fastmetrics::format::{prost, protobuf};
use fastmetrics::metrics::{counter::Counter, family::Family, histogram::Histogram};
use fastmetrics::registry::Registry;

#[derive(Clone, PartialEq, Eq, Hash, LabelSet)]
struct Labels {
    method: &'static str,
    endpoint: String,
    status: u16,
    zone: &'static str,
}

pub fn text(series: usize) -> Subject {
    of("fastmetrics 0.7", series, TextProfile::PrometheusV0_0_4)
}

pub fn open_metrics(series: usize) -> Subject {
    of("fastmetrics 0.7, OpenMetrics", series, TextProfile::default())
}

fn of(name: &'static str, series: usize, profile: TextProfile) -> Subject {
    let registry = registry(series);
    let mut answer = String::new();
    Subject::new(name, Content::Text, move |take| {
        answer.clear();
        text::encode(&mut answer, &registry, profile).expect("text");
        take(answer.as_bytes());
    })
}

pub fn prost(series: usize) -> Subject {
    let registry = registry(series);
    let mut answer = Vec::new();
    Subject::new("fastmetrics 0.7, `prost`", Content::Protobuf, move |take| {
        answer.clear();
        let profile = prost::ProtobufProfile::Prometheus;
        prost::encode(&mut answer, &registry, profile).expect("protobuf");
        take(&answer);
    })
}

pub fn protobuf(series: usize) -> Subject {
    let registry = registry(series);
    let mut answer = Vec::new();
    Subject::new("fastmetrics 0.7, `protobuf`", Content::Protobuf, move |take| {
        answer.clear();
        let profile = protobuf::ProtobufProfile::Prometheus;
        protobuf::encode(&mut answer, &registry, profile).expect("protobuf");
        take(&answer);
    })
}

fn registry(series: usize) -> Registry {
    let requests = Family::<Labels, Counter>::default();
    let durations = Family::<Labels, Histogram>::new(|| Histogram::new(BOUNDARIES));
    let mut registry = Registry::default();
    registry.register("http_requests_total", REQUESTS_HELP, requests.clone()).expect("names");
    let registered =
        registry.register("http_request_duration_seconds", DURATION_HELP, durations.clone());
    registered.expect("names");
    for workload::Series { method, endpoint, status, zone, durations: values, requests: count } in
        workload::all(series)
    {
        let labels = Labels { method, endpoint, status, zone };
        requests.with_or_new(&labels, |counter| counter.inc_by(count));
        durations.with_or_new(&labels, |histogram| {
            values.into_iter().for_each(|value| histogram.observe(value));
        });
    }
    registry
}
