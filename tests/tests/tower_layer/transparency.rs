//! A client cannot tell whether the layer is there.

use std::time::{Duration, Instant};

use asdlc_tests::client::{Connection, exchange_bytes};
use asdlc_tests::in_process::Server;
use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tower_asdlc_metrics::HttpMetricsLayer;

use super::bodies::Frames;
use super::exporter;

// O-07
#[test]
fn responses_are_the_same_byte_for_byte_with_and_without_the_layer() {
    let bare = Server::axum(router());
    let layered = Server::axum(router().layer(HttpMetricsLayer::new(&exporter().meter())));
    let requests = [
        "GET /fixed HTTP/1.1",
        "GET /fixed?page=2 HTTP/1.1",
        "HEAD /fixed HTTP/1.1",
        "GET /fixed HTTP/1.0",
        "GET /empty HTTP/1.1",
        "GET /large HTTP/1.1",
        "GET /chunked HTTP/1.1",
        "HEAD /chunked HTTP/1.1",
        "GET /chunked HTTP/1.0",
        "GET /trailers HTTP/1.1\r\nTE: trailers",
        "GET /declared HTTP/1.1",
        "GET /error HTTP/1.1",
        "GET /not-modified HTTP/1.1",
        "DELETE /item/7 HTTP/1.1",
        "GET /item/7 HTTP/1.1",
        "BREW /item/7 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET /unknown HTTP/1.1",
        "POST /echo HTTP/1.1\r\nContent-Length: 5",
        "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5",
        "GET /no-such-version HTTP/7.0",
    ];
    for request in requests {
        let body = if request.starts_with("POST") { "hello" } else { "" };
        let bytes = format!("{request}\r\nHost: test\r\nConnection: close\r\n\r\n{body}");
        let [expected, actual] = [&bare, &layered]
            .map(|server| undated(&exchange_bytes(server.address(), bytes.as_bytes())));
        assert!(expected.starts_with("HTTP/1."), "{request}: {expected}");
        assert_eq!(actual, expected, "{request}");
    }
}

// O-07
#[test]
fn the_layer_adds_far_less_than_a_millisecond() {
    let bare = Server::axum(router());
    let layered = Server::axum(router().layer(HttpMetricsLayer::new(&exporter().meter())));
    let [mut bare, mut layered] =
        [&bare, &layered].map(|server| Connection::open(server.address()));
    let time = |connection: &mut Connection| {
        let start = Instant::now();
        assert_eq!(connection.get("/fixed").status(), StatusCode::OK);
        start.elapsed()
    };
    // Requests are interleaved, so that a busy machine slows both down.
    let (mut bare, mut layered): (Vec<_>, Vec<_>) =
        (0..500).map(|_| (time(&mut bare), time(&mut layered))).unzip();
    let added = median(&mut layered).saturating_sub(median(&mut bare));
    assert!(added < Duration::from_micros(500), "the layer adds {added:?}");
}

/// One route for each way a body can end.
fn router() -> Router {
    Router::new()
        .route("/fixed", get(|| async { "a body of known length" }))
        .route("/empty", get(|| async { StatusCode::OK }))
        .route("/large", get(|| async { vec![b'x'; 1 << 20] }))
        .route("/chunked", get(|| async { Body::new(Frames::data(&["one ", "two"])) }))
        .route("/trailers", get(trailers))
        .route(
            "/declared",
            get(|| async {
                ([("content-length", "7")], Body::new(Frames::data(&["one ", "two"])))
            }),
        )
        .route("/error", get(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "no") }))
        .route("/not-modified", get(|| async { (StatusCode::NOT_MODIFIED, [("etag", "\"1\"")]) }))
        .route("/item/{id}", delete(|| async { StatusCode::NO_CONTENT }))
        .route("/echo", post(|body: Bytes| async { body }))
}

async fn trailers() -> impl IntoResponse {
    let end =
        HeaderMap::from_iter([(HeaderName::from_static("x-end"), HeaderValue::from_static("1"))]);
    ([("trailer", "x-end")], Body::new(Frames::data(&["one"]).with_trailers(end)))
}

/// The response without the value of `date`, the only header that changes with time.
fn undated(response: &[u8]) -> String {
    let text = String::from_utf8_lossy(response);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let head: Vec<_> = head
        .split("\r\n")
        .map(|line| if line.starts_with("date: ") { "date: now" } else { line })
        .collect();
    format!("{}\r\n\r\n{body}", head.join("\r\n"))
}

fn median(durations: &mut [Duration]) -> Duration {
    durations.sort_unstable();
    durations[durations.len() / 2]
}
