//! Endpoints that are declared streams: their clients end them.

use std::convert::Infallible;
use std::future::pending;

use asdlc_exporter::Exporter;
use asdlc_tests::client::exchange_bytes;
use asdlc_tests::in_process::Server;
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use axum::body::Body;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use http::StatusCode;
use tokio_stream::StreamExt;
use tower_asdlc_metrics::{HttpMetricsLayer, MatchedRoute};

use super::{await_in_flight, exporter, exposition, read_until, send_bytes};

// F-08
#[test]
fn a_disconnect_is_the_normal_end_of_a_stream_and_a_failure_of_other_endpoints() {
    let exporter = exporter();
    let server = serve(&exporter);
    for path in ["/events", "/poll", "/download"] {
        let mut client = send_bytes(server.address(), &format!("GET {path} HTTP/1.1\r\n\r\n"));
        if path == "/poll" {
            await_in_flight(&exporter, 1.0);
        } else {
            read_until(&mut client, b"first\n\n\r\n");
        }
        drop(client);
        await_in_flight(&exporter, 0.0);
    }
    let requests = exposition(&exporter).sum_by("http_requests_total", ["endpoint", "status"]);
    let ended = [["/download", "200"], ["/events", "200"], ["/poll", "499"]];
    assert_eq!(requests, ended.map(|labels| (labels.map(str::to_owned), 1.0)).into());
    assert_eq!(failed(&exporter), [("/download aborted".to_owned(), 1.0)]);
    assert_eq!(timed(&exporter), ["/download"]);
}

// F-08, a neighbour: other outcomes of a stream.
#[test]
fn a_stream_that_breaks_panics_or_is_rejected_is_a_failure() {
    let exporter = exporter();
    let server = serve(&exporter);
    for path in ["/events/ends", "/events/fails", "/events/panics", "/events/refused"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        _ = exchange_bytes(server.address(), request.as_bytes());
    }
    let all = || exposition(&exporter).sum("http_requests_total") == 4.0;
    assert!(eventually(DEADLINE, all));
    let expected = [
        ("/events/fails body_error".to_owned(), 1.0),
        ("/events/panics panic".to_owned(), 1.0),
        ("/events/refused server_error".to_owned(), 1.0),
    ];
    assert_eq!(failed(&exporter), expected);
    assert!(timed(&exporter).is_empty());
}

fn serve(exporter: &Exporter) -> Server {
    let metrics = HttpMetricsLayer::builder(MatchedRoute)
        .with_streaming_endpoints(["/events", "/poll"])
        .with_streaming_endpoints(
            ["ends", "fails", "panics", "refused"].map(|end| format!("/events/{end}")),
        )
        .build(&exporter.meter())
        .expect("the defaults are valid");
    let events = || {
        let first = tokio_stream::once(Ok::<_, Infallible>(Event::default().data("first")));
        Sse::new(first.chain(tokio_stream::pending()))
    };
    let download = || {
        let first = tokio_stream::once(Ok::<_, Infallible>("first\n\n"));
        Body::from_stream(first.chain(tokio_stream::pending()))
    };
    let router = Router::new()
        .route("/events", get(move || async move { events() }))
        .route("/poll", get(pending::<()>))
        .route("/download", get(move || async move { download() }))
        .route(
            "/events/ends",
            get(async || Body::from_stream(tokio_stream::once(Ok::<_, Infallible>("last")))),
        )
        .route(
            "/events/fails",
            get(async || Body::from_stream(tokio_stream::once(Err::<&str, _>("broken")))),
        )
        .route(
            "/events/panics",
            get(async || {
                Body::from_stream(tokio_stream::once(Ok::<_, Infallible>("")).map(panics))
            }),
        )
        .route("/events/refused", get(async || StatusCode::SERVICE_UNAVAILABLE));
    Server::axum(router.layer(metrics))
}

fn panics(_: Result<&'static str, Infallible>) -> Result<&'static str, Infallible> {
    panic!("deliberate")
}

/// The failed requests by endpoint and error type.
fn failed(exporter: &Exporter) -> Vec<(String, f64)> {
    let failed =
        exposition(exporter).sum_by("http_requests_failed_total", ["endpoint", "error_type"]);
    failed.into_iter().map(|(labels, count)| (labels.join(" "), count)).collect()
}

/// The endpoints with a latency.
fn timed(exporter: &Exporter) -> Vec<String> {
    let timed = exposition(exporter).sum_by("http_request_duration_seconds_count", ["endpoint"]);
    timed.into_keys().map(|[endpoint]| endpoint).collect()
}
