//! What a policy of the exporter serves is right, whatever it leaves out.

use asdlc_exporter::{Exporter, MetricPolicy};
use asdlc_tests::client::Connection;
use asdlc_tests::in_process::Server;
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use tower_asdlc_metrics::HttpMetricsLayer;

use super::bodies::Held;
use super::exposition;

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
        .route("/held", get(async || Body::new(never_ends())))
        .route("/fails", get(async || http::StatusCode::NOT_FOUND))
        .layer(HttpMetricsLayer::new(&exporter.meter()));
    let server = Server::axum(router);
    let in_flight = || exposition(&exporter).sum("http_requests_in_flight");
    for round in 1..=3 {
        let held = ask(&server);
        assert!(eventually(DEADLINE, || in_flight() == 1.0), "{what}: {}", in_flight());
        let mut connection = Connection::open(server.address());
        for _ in 0..20 {
            connection.get("/fails");
        }
        drop(held);
        assert!(eventually(DEADLINE, || in_flight() == 0.0), "{what}: {}", in_flight());
        for name in served {
            let histogram = name.ends_with("_seconds").then(|| format!("{name}_count"));
            let sample = histogram.as_deref().unwrap_or(name);
            assert_eq!(exposition(&exporter).sum(sample), f64::from(round * 21), "{what}: {name}");
        }
    }
}

fn never_ends() -> Held {
    let (release, body) = Held::new();
    std::mem::forget(release);
    body
}

fn ask(server: &Server) -> std::net::TcpStream {
    use std::io::Write;
    let mut client = std::net::TcpStream::connect(server.address()).expect("it listens");
    client.write_all(b"GET /held HTTP/1.0\r\n\r\n").expect("it reads");
    client
}
