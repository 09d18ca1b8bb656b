//! metrics-exporter-prometheus 0.18, as its documentation says.

use crate::Subject;
use crate::workload::{self, BOUNDARIES, DURATION_HELP, REQUESTS_HELP};
use metrics::{counter, describe_counter, describe_histogram, histogram, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;

pub fn subject(series: usize) -> Subject {
    let recorder = PrometheusBuilder::new().set_buckets(&BOUNDARIES);
    let recorder = recorder.expect("boundaries").build_recorder();
    let handle = recorder.handle();
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
    Subject::new("metrics-exporter-prometheus 0.18", move |answer| {
        answer(handle.render().as_bytes())
    })
}
