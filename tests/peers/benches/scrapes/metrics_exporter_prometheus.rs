//! metrics-exporter-prometheus 0.18, as its documentation says.

use crate::workload::{self, BOUNDARIES, DURATION_HELP, REQUESTS_HELP};
use crate::{Content, Subject};
use metrics::{counter, describe_counter, describe_histogram, histogram, with_local_recorder};
use metrics_exporter_prometheus::{
    Matcher, NativeHistogramConfig, PrometheusBuilder, PrometheusHandle,
};

pub fn text(series: usize) -> Subject {
    let handle = recorded(series, builder());
    let mut text = Vec::new();
    Subject::new("metrics-exporter-prometheus 0.18", Content::Text, move |answer| {
        text.clear();
        handle.render_to_write(&mut text).expect("memory does not fail");
        answer(&text);
    })
}

pub fn protobuf(series: usize) -> Subject {
    of(Content::Protobuf, recorded(series, builder()))
}

/// It has no classic buckets then.
pub fn native(series: usize) -> Subject {
    // The factor of scale 8, a little more for its digits.
    let config = NativeHistogramConfig::new(1.002_711_3, 160, 0.0).expect("these are allowed");
    let metric = Matcher::Full("http_request_duration_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_native_histogram_for_metric(metric, config);
    of(Content::NativeProtobuf, recorded(series, builder))
}

fn of(content: Content, handle: PrometheusHandle) -> Subject {
    let mut answer = Vec::new();
    Subject::new("metrics-exporter-prometheus 0.18", content, move |take| {
        answer.clear();
        handle.render_protobuf_to_write(&mut answer).expect("memory does not fail");
        take(&answer);
    })
}

fn builder() -> PrometheusBuilder {
    PrometheusBuilder::new().set_buckets(&BOUNDARIES).expect("boundaries")
}

fn recorded(series: usize, builder: PrometheusBuilder) -> PrometheusHandle {
    let recorder = builder.build_recorder();
    with_local_recorder(&recorder, || {
        describe_counter!("http_requests_total", REQUESTS_HELP);
        describe_histogram!("http_request_duration_seconds", DURATION_HELP);
        for workload::Series { method, endpoint, status, zone, durations, requests } in
            workload::all(series)
        {
            let labels = [
                ("method", method.to_owned()),
                ("endpoint", endpoint),
                ("status", status.to_string()),
                ("zone", zone.to_owned()),
            ];
            counter!("http_requests_total", &labels).increment(requests);
            let histogram = histogram!("http_request_duration_seconds", &labels);
            durations.into_iter().for_each(|value| histogram.record(value));
        }
    });
    recorder.handle()
}
