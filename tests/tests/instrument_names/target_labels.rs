//! Targets with the labels that the Kubernetes operators add, scraped by a real Prometheus without `honor_labels` and without
//! `labeldrop`.

use std::convert::Infallible;

use asdlc_exporter::{Exporter, process};
use asdlc_tests::in_process::Server;
use asdlc_tests::servers::{Prometheus, QueryApi, Target};
use axum::Router;
use axum::routing::get;
use http::Request;
use tower::ServiceExt;
use tower_asdlc_metrics::{HttpLabel, HttpMetricsLayer, MatchedRoute};

//
#[test]
fn a_service_without_the_labels_of_its_target_needs_no_honor_labels() {
    let exporter = Exporter::builder("shop")
        .without_service_label()
        .with_version("1.2.3")
        .build()
        .expect("valid settings");
    process::register(&exporter);
    let layer = HttpMetricsLayer::builder(MatchedRoute)
        .with_label_key(HttpLabel::Endpoint, "route")
        .build(&exporter)
        .expect("valid settings");
    let app = Router::new()
        .route("/items/{id}", get(|| async { "an item" }))
        .layer(layer)
        .route_service("/metrics", exporter.scrape_service());
    let request = Request::builder().uri("/items/7").body(axum::body::Body::empty());
    let request = app.clone().oneshot(request.expect("a request"));
    let response: Result<_, Infallible> =
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(request);
    drop(response.expect("a response"));

    let server = Server::axum(app);
    let labels = [("service", "shop-http"), ("endpoint", "http"), ("pod", "shop-0")];
    let prometheus = Prometheus::scraping_with_labels(server.address(), &labels);
    assert_eq!(prometheus.target(), Target::up());

    let requests = "http_requests_total{service=\"shop-http\",endpoint=\"http\",pod=\"shop-0\"}";
    let series = prometheus.series(requests);
    assert_eq!(series.len(), 1, "{series:?}");
    assert_eq!(series[0]["route"], "/items/{id}");
    assert_eq!(series[0]["method"], "GET");

    // Every series has the labels of the target, and no label of a series was renamed.
    let all = prometheus.series("{job=\"under-test\"}");
    assert!(all.len() > 10, "{all:?}");
    for series in all {
        assert_eq!(
            (&*series["service"], &*series["endpoint"]),
            ("shop-http", "http"),
            "{series:?}"
        );
        assert!(!series.keys().any(|key| key.starts_with("exported_")), "{series:?}");
    }
}
