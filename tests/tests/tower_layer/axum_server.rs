//! The layer on an axum router: endpoints are the matched routes.

use asdlc_tests::client::Connection;
use asdlc_tests::in_process::Server;
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use tower_asdlc_metrics::{HttpMetricsLayer, MatchedRoute};

use super::bodies::Frames;
use super::{assert_counted, exporter, exposition};

// O-07
#[test]
fn a_new_route_is_counted_without_a_change_to_the_metrics() {
    let exporter = exporter();
    let orders = Router::new().route("/{order}/lines/{line}", get(|| async { "a line" }));
    let router = Router::new()
        .route("/items/{id}", get(|| async { "an item" }))
        .route("/files/{*path}", get(|| async { "a file" }))
        .nest("/orders", orders)
        .layer(HttpMetricsLayer::new(&exporter.meter()));
    let server = Server::axum(router);
    let mut connection = Connection::open(server.address());
    for path in
        ["/items/1", "/items/2?q=3", "/files/a/b/c", "/orders/4/lines/5", "/nowhere", "/items"]
    {
        connection.get(path);
    }
    connection.request("DELETE", "/items/1");
    assert_counted(
        &exporter,
        &[
            (["GET", "/items/{id}", "200"], 2),
            (["GET", "/files/{*path}", "200"], 1),
            (["GET", "/orders/{order}/lines/{line}", "200"], 1),
            (["GET", "_UNMATCHED", "404"], 2),
            (["DELETE", "/items/{id}", "405"], 1),
        ],
    );
}

// O-02
#[test]
fn a_scrape_route_added_after_the_layer_is_not_counted() {
    let exporter = exporter();
    let router = Router::new()
        .route("/items/{id}", get(|| async { "an item" }))
        .layer(HttpMetricsLayer::new(&exporter.meter()))
        .route_service("/metrics", exporter.scrape_service());
    let server = Server::axum(router);
    let mut connection = Connection::open(server.address());
    for _ in 0..3 {
        assert_eq!(connection.get("/metrics").status(), 200);
    }
    connection.get("/items/1");
    assert_counted(&exporter, &[(["GET", "/items/{id}", "200"], 1)]);
}

// O-02 O-03
#[test]
fn a_streamed_response_is_counted_once_at_its_end() {
    let exporter = exporter();
    let stream = || async { Body::new(Frames::data(&["one ", "two ", "three"])) };
    let router =
        Router::new().route("/stream", get(stream)).layer(HttpMetricsLayer::new(&exporter.meter()));
    let server = Server::axum(router);
    let mut connection = Connection::open(server.address());
    for _ in 0..3 {
        assert_eq!(connection.get("/stream").body(), "one two three");
    }
    assert_counted(&exporter, &[(["GET", "/stream", "200"], 3)]);
}

// O-03
#[test]
fn the_boundaries_of_the_latency_histogram_are_configurable() {
    let exporter = exporter();
    let layer = HttpMetricsLayer::builder(MatchedRoute)
        .with_boundaries([0.25, 2.5])
        .build(&exporter.meter());
    let router = Router::new().route("/", get(|| async {})).layer(layer.expect("they ascend"));
    Connection::open(Server::axum(router).address()).get("/");
    assert_counted(&exporter, &[(["GET", "/", "200"], 1)]);
    let exposition = exposition(&exporter);
    let buckets = exposition.samples("http_request_duration_seconds_bucket");
    assert_eq!(
        buckets.filter_map(|bucket| bucket.label("le")).collect::<Vec<_>>(),
        ["0.25", "2.5", "+Inf"]
    );
}

// O-07
#[test]
fn two_layers_with_different_meters_count_independently() {
    let (first, second) = (exporter(), exporter());
    let route = || Router::new().route("/", get(|| async {}));
    let serve = |exporter: &asdlc_exporter::Exporter| {
        Server::axum(route().layer(HttpMetricsLayer::new(&exporter.meter())))
    };
    let servers = [serve(&first), serve(&second)];
    for (server, times) in servers.iter().zip([1, 2]) {
        for _ in 0..times {
            Connection::open(server.address()).get("/");
        }
    }
    assert_counted(&first, &[(["GET", "/", "200"], 1)]);
    assert_counted(&second, &[(["GET", "/", "200"], 2)]);
}
