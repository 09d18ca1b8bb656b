//! The endpoints of axum routers and of nested services.

#![cfg(feature = "axum")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use common::Metrics;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::convert::Infallible;
use tower::{Layer, ServiceExt, service_fn};
use tower_asdlc_metrics::{
    Endpoint, FixedEndpoint, GrpcMethods, HttpMetricsLayer, MatchedRoute, endpoint_fn,
};

async fn send(app: &Router, path: &str) -> StatusCode {
    send_this(app, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn send_this(app: &Router, request: Request<Body>) -> StatusCode {
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    response.into_body().collect().await.unwrap();
    status
}

/// Requests by endpoint and status.
fn requests(metrics: &Metrics) -> BTreeMap<String, i64> {
    let label = |labels: &str, key: &str| {
        let labels = labels.split(',').find_map(|label| label.strip_prefix(key)).unwrap();
        labels.to_owned()
    };
    let mut requests = BTreeMap::new();
    for (labels, count) in metrics.sums("http_requests") {
        let key = format!("{} {}", label(&labels, "endpoint="), label(&labels, "status="));
        *requests.entry(key).or_insert(0) += count;
    }
    requests
}

fn expect<const N: usize>(pairs: [(&str, i64); N]) -> BTreeMap<String, i64> {
    pairs.map(|(key, count)| (key.to_owned(), count)).into()
}

/// Responds with 200 to `/known`, otherwise with 404.
async fn files(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let is_known = request.uri().path() == "/known";
    let status = if is_known { StatusCode::OK } else { StatusCode::NOT_FOUND };
    Ok(Response::builder().status(status).body(Body::empty()).unwrap())
}

// F-07
#[tokio::test]
async fn the_endpoint_of_a_nested_service_is_its_prefix_and_scans_are_unmatched() {
    let metrics = Metrics::new();
    let app = Router::new()
        .route("/items/{id}", get(|| async {}))
        .nest_service("/static", service_fn(files))
        .nest_service("/{tenant}/files", service_fn(files))
        .nest("/api", Router::new().nest_service("/docs", service_fn(files)))
        .layer(HttpMetricsLayer::new(&metrics.meter()));
    for path in [
        "/static/known",
        "/static/known?q=1",
        "/static/../etc/passwd",
        "/static",
        "/acme/files/known",
        "/other/files/known",
        "/api/docs/known",
        "/api/nothing",
        "/wp-login.php",
        "/items/1",
    ] {
        send(&app, path).await;
    }
    assert_eq!(
        requests(&metrics),
        expect([
            ("/static 200", 2),
            ("/static 404", 2),
            ("/{tenant}/files 200", 2),
            ("/api/docs 200", 1),
            ("/items/{id} 200", 1),
            ("_UNMATCHED 404", 2),
        ])
    );
}

// F-07, a neighbour: the layer inside of a nested service, and a router that is nested as a service.
#[tokio::test]
async fn inside_of_a_nested_service_the_endpoint_has_the_prefix_too() {
    let (inside, around) = (Metrics::new(), Metrics::new());
    let layer = HttpMetricsLayer::new(&inside.meter());
    let api = Router::new().route("/items/{id}", get(|| async {})).layer(layer.clone());
    let app = Router::new()
        .nest_service("/static", layer.layer(service_fn(files)))
        .nest_service("/api", api)
        .layer(HttpMetricsLayer::new(&around.meter()));
    for path in ["/static/known", "/static/unknown", "/api/items/1", "/nowhere"] {
        send(&app, path).await;
    }
    assert_eq!(
        requests(&inside),
        expect([("/static 200", 1), ("/static 404", 1), ("/api/items/{id} 200", 1)])
    );
    assert_eq!(
        requests(&around),
        expect([("/static 200", 1), ("/static 404", 1), ("/api 200", 1), ("_UNMATCHED 404", 1),])
    );
}

// F-12a: a later axum matches this path for a fallback; here a route has it.
#[tokio::test]
async fn the_path_that_axum_matches_for_a_fallback_is_not_an_endpoint() {
    let metrics = Metrics::new();
    let missing = || get(|| async { StatusCode::NOT_FOUND });
    let fallback = || Router::new().route("/{*__private__axum_fallback}", missing());
    let app = fallback()
        .nest("/api", fallback())
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(HttpMetricsLayer::new(&metrics.meter()));
    for path in ["/nowhere", "/api/nowhere", "/api/no/where", "/"] {
        send(&app, path).await;
    }
    assert_eq!(requests(&metrics), expect([("_UNMATCHED 404", 4)]));
}

// F-09
#[tokio::test]
async fn grpc_calls_have_their_methods_as_endpoints_and_other_requests_their_routes() {
    let metrics = Metrics::new();
    let methods = GrpcMethods::new(["/pkg.Service/Method"]);
    let layer =
        HttpMetricsLayer::builder(methods.or(MatchedRoute)).build(&metrics.meter()).unwrap();
    let app = Router::new()
        .route("/pkg.Service/{*rest}", post(|| async {}))
        .route("/items/{id}", get(|| async {}).post(|| async {}))
        .layer(layer);
    for path in ["/pkg.Service/Method", "/pkg.Service/Other", "/nowhere"] {
        let request = Request::post(path).header("content-type", "application/grpc");
        send_this(&app, request.body(Body::empty()).unwrap()).await;
    }
    send(&app, "/items/1").await;
    send_this(&app, Request::post("/items/1").body(Body::empty()).unwrap()).await;
    send(&app, "/nowhere").await;
    assert_eq!(
        requests(&metrics),
        expect([
            ("/pkg.Service/Method 200", 1),
            ("_OTHER 200", 1),
            ("_OTHER 404", 1),
            ("/items/{id} 200", 2),
            ("_UNMATCHED 404", 1),
        ])
    );
}

// F-09, a neighbour: a list of methods alone, and requests that are not gRPC calls.
#[tokio::test]
async fn a_request_that_is_not_a_grpc_call_is_unmatched_by_grpc_methods() {
    let metrics = Metrics::new();
    let methods = GrpcMethods::new(["/pkg.Service/Method"]);
    let layer = HttpMetricsLayer::builder(methods).build(&metrics.meter()).unwrap();
    let app = Router::new().fallback(|| async {}).layer(layer);
    send(&app, "/favicon.ico").await;
    send(&app, "/pkg.Service/Method").await;
    assert_eq!(requests(&metrics), expect([("/pkg.Service/Method 200", 1), ("_UNMATCHED 200", 1)]));
}

// F-10
#[tokio::test]
async fn excluded_paths_are_those_that_the_client_requested_also_inside_of_a_nest() {
    let metrics = Metrics::new();
    let layer = HttpMetricsLayer::builder(MatchedRoute)
        .without_paths(["/v1/items/9", "/items/8"])
        .build(&metrics.meter())
        .unwrap();
    let items = Router::new().route("/items/{id}", get(|| async {})).layer(layer);
    let app = Router::new().nest("/v1", items);
    for path in ["/v1/items/9", "/v1/items/9?q=1", "/v1/items/8", "/v1/items/1"] {
        send(&app, path).await;
    }
    assert_eq!(requests(&metrics), expect([("/v1/items/{id} 200", 2)]));
}

// F-10, a neighbour: the URI that closures and gRPC methods get.
#[tokio::test]
async fn the_uri_of_a_request_head_is_the_one_that_the_client_requested() {
    let metrics = Metrics::new();
    let methods = GrpcMethods::new(["/api/pkg.Service/Method"]);
    let path = endpoint_fn(|head| Some(head.uri().path()));
    let layer = HttpMetricsLayer::builder(methods.or(path))
        .without_requests(|head| head.uri().path() == "/api/v1/hidden")
        .build(&metrics.meter())
        .unwrap();
    let nested = Router::new()
        .route("/items", get(|| async {}))
        .route("/hidden", get(|| async {}))
        .layer(layer.clone());
    let calls = Router::new().route("/pkg.Service/Method", post(|| async {})).layer(layer);
    let app = Router::new().nest("/api", calls.nest("/v1", nested));
    send(&app, "/api/v1/items?q=1").await;
    send(&app, "/api/v1/hidden").await;
    let call = Request::post("/api/pkg.Service/Method").header("content-type", "application/grpc");
    send_this(&app, call.body(Body::empty()).unwrap()).await;
    assert_eq!(
        requests(&metrics),
        expect([("/api/pkg.Service/Method 200", 1), ("/api/v1/items 200", 1)])
    );
}

// F-12b
#[tokio::test]
async fn a_disabled_layer_has_the_same_type_and_creates_no_instruments() {
    let metrics = Metrics::new();
    let on = HttpMetricsLayer::builder(FixedEndpoint("/x"))
        .with_body_sizes()
        .build(&metrics.meter())
        .unwrap();
    for (layer, counted) in [(HttpMetricsLayer::disabled(), 0), (on, 1)] {
        let app = Router::new()
            .route("/", post(|body: String| async { body }))
            .layer(layer.request_body_layer())
            .layer(layer);
        let request = Request::post("/").body(Body::from("echo")).unwrap();
        let response = app.oneshot(request).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "echo");
        let requests = metrics.sums("http_requests").into_values();
        assert_eq!(requests.sum::<i64>(), counted);
        let sizes = metrics.latencies("http_request_body_size").into_values();
        assert_eq!(sizes.map(|size| size.count).sum::<u64>(), counted as u64);
    }
}
