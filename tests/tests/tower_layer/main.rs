//! The Tower layer around services of this process, behind real sockets.

mod axum_server;
mod backpressure;
mod bodies;
mod content_length;
mod grpc_status;
mod grpc_web;
mod http2_connection;
mod http2_server;
mod hyper_server;
mod metric_policy;
mod outcomes;
mod streaming_endpoints;
mod tonic_server;
mod transparency;
mod unmatched_warning;
mod upgrades;

use std::collections::BTreeMap;

use asdlc_exporter::Exporter;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::wait::{DEADLINE, eventually};

fn exporter() -> Exporter {
    Exporter::builder("under-test").build().expect("the name is valid")
}

/// What a scrape of `exporter` would say now.
fn exposition(exporter: &Exporter) -> Exposition {
    let body = exporter.render().expect("it renders");
    Exposition::parse(body.as_ref()).expect("it renders valid text")
}

/// Checks that exactly the requests `sent`, by method, endpoint and status, were counted and timed: all of them, and
/// nothing else. The server may record a request a moment after its client has read the response.
#[track_caller]
fn assert_counted(exporter: &Exporter, sent: &[([&str; 3], u32)]) {
    let sent: BTreeMap<_, _> =
        sent.iter().map(|(labels, times)| (labels.map(str::to_owned), f64::from(*times))).collect();
    let total: f64 = sent.values().sum();
    let arrived = eventually(DEADLINE, || {
        let exposition = exposition(exporter);
        exposition.sum("http_requests_total") >= total
            && exposition.sum("http_request_duration_seconds_count") >= total
    });
    let exposition = exposition(exporter);
    assert_eq!(exposition.sum_by("http_requests_total", ["method", "endpoint", "status"]), sent);
    assert!(arrived);
    let mut timed = BTreeMap::new();
    for ([method, endpoint, _], times) in sent {
        *timed.entry([method, endpoint]).or_insert(0.0) += times;
    }
    assert_eq!(
        exposition.sum_by("http_request_duration_seconds_count", ["method", "endpoint"]),
        timed
    );
}
