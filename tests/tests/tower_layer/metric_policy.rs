//! Families that a policy of the exporter serves are right, whatever the policy leaves out.

use asdlc_exporter::{Exporter, MetricPolicy};
use asdlc_tests::client::Connection;
use asdlc_tests::in_process::Server;
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use tower_asdlc_metrics::HttpMetricsLayer;

use super::bodies::Frames;
use super::{await_in_flight, exposition, send_bytes};

// F-04
#[test]
fn requests_in_flight_are_right_under_every_policy_that_serves_them() {
    let all =
        ["http_requests_total", "http_requests_failed_total", "http_request_duration_seconds"];
    let allow = |names: &[&str]| {
        let policy = MetricPolicy::new().allow("http_requests_in_flight");
        names.iter().copied().fold(policy, MetricPolicy::allow)
    };
    assert_right(allow(&all[..1]), &all[..1]);
    assert_right(allow(&all[2..]), &all[2..]);
    assert_right(allow(&[]), &[]);
    assert_right(allow(&["http_*"]), &all);
    assert_right(MetricPolicy::new().deny("*flush*").deny("http_requests_total"), &all[1..]);
}

#[track_caller]
fn assert_right(policy: MetricPolicy, served: &[&str]) {
    let what = format!("{policy:?}");
    let exporter = Exporter::builder("under-test").with_policy(policy).build();
    let exporter = exporter.expect("the name is valid");
    let router = Router::new()
        .route("/held", get(async || Body::new(Frames::never_ending())))
        .route("/fails", get(async || http::StatusCode::NOT_FOUND))
        .layer(HttpMetricsLayer::new(&exporter.meter()));
    let server = Server::axum(router);
    for round in 1..=3 {
        let held = send_bytes(server.address(), "GET /held HTTP/1.0\r\n\r\n");
        await_in_flight(&exporter, 1.0);
        let mut connection = Connection::open(server.address());
        for _ in 0..20 {
            connection.get("/fails");
        }
        drop(held);
        await_in_flight(&exporter, 0.0);
        for name in served {
            let histogram = name.ends_with("_seconds").then(|| format!("{name}_count"));
            let sample = histogram.as_deref().unwrap_or(name);
            assert_eq!(exposition(&exporter).sum(sample), f64::from(round * 21), "{what}: {name}");
        }
    }
}
