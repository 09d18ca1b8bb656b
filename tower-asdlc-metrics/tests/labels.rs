//! The values of the labels, and that no request adds series beyond the limit.

#![cfg_attr(feature = "axum", expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

mod common;

use common::{Metrics, Script, Step};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tower::{Layer, ServiceExt, service_fn};
use tower_asdlc_metrics::{
    GrpcMethods, HttpLabel, HttpMetricsLayer, HttpMetricsLayerBuilder, ResponseEndpoint,
    endpoint_fn,
};

/// A layer of a service without routes.
fn unmatched() -> HttpMetricsLayerBuilder {
    HttpMetricsLayer::builder(endpoint_fn(|_| None))
}

fn expect<const N: usize>(pairs: [(&str, i64); N]) -> Vec<(String, i64)> {
    pairs.map(|(labels, count)| (labels.to_owned(), count)).into()
}

/// Checks that exactly the overflow series have the attribute of the SDK's overflow, and that the SDK has no such series of its own.
fn assert_marked_overflow(requests: &BTreeMap<String, i64>) {
    for labels in requests.keys() {
        let is_overflow = labels.contains("endpoint=_OVERFLOW,");
        assert_eq!(labels.contains("otel.metric.overflow=true"), is_overflow, "{labels}");
    }
}

#[cfg(feature = "axum")]
mod with_axum {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::routing::{any, get};

    async fn send_to(host: &str, app: &Router, method: &str, uri: &str) {
        let request = Request::builder().method(method).uri(uri).header("host", host);
        let request = request.body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap();
    }

    async fn send(app: &Router, method: &str, uri: &str) {
        send_to("host", app, method, uri).await;
    }

    // O-02, O-07
    #[tokio::test]
    async fn the_endpoint_is_the_template_and_new_routes_need_no_change() {
        let metrics = Metrics::new();
        let app = Router::new()
            .route("/items/{id}", get(|| async { "an item" }))
            .route("/brand/new/{a}/{b}", any(|| async { "new" }))
            .layer(HttpMetricsLayer::new(&metrics.meter()));
        send(&app, "GET", "/items/1?secret=1").await;
        send(&app, "GET", "/items/2").await;
        send(&app, "POST", "/items/2").await;
        send(&app, "PUT", "/brand/new/1/2").await;
        assert_eq!(
            metrics.sums("http_requests").into_iter().collect::<Vec<_>>(),
            expect([
                ("endpoint=/brand/new/{a}/{b},method=PUT,status=200", 1),
                ("endpoint=/items/{id},method=GET,status=200", 2),
                ("endpoint=/items/{id},method=POST,status=405", 1),
            ])
        );
    }

    // O-02
    #[tokio::test]
    async fn trap_16_nested_routers_give_the_full_template() {
        let metrics = Metrics::new();
        let items = Router::new().route("/items/{id}", get(|| async { "an item" }));
        let app = Router::new()
            .nest("/api", Router::new().nest("/v1", items))
            .layer(HttpMetricsLayer::new(&metrics.meter()));
        send(&app, "GET", "/api/v1/items/1").await;
        send(&app, "GET", "/api/v2/items/1").await;
        assert_eq!(
            metrics.sums("http_requests").into_iter().collect::<Vec<_>>(),
            expect([
                ("endpoint=/api/v1/items/{id},method=GET,status=200", 1),
                ("endpoint=_UNMATCHED,method=GET,status=404", 1),
            ])
        );
    }

    // O-02, X-03
    #[tokio::test]
    async fn trap_16_a_nested_service_never_gives_a_raw_path() {
        let metrics = Metrics::new();
        let inner = service_fn(|_: Request<Body>| async {
            Ok::<_, Infallible>(Response::new(Body::empty()))
        });
        let app = Router::new()
            .nest_service("/files", inner)
            .layer(HttpMetricsLayer::new(&metrics.meter()));
        for file in 0..100 {
            send(&app, "GET", &format!("/files/{file}")).await;
        }
        let requests = metrics.sums("http_requests");
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert!(!requests.keys().any(|labels| labels.contains("/files/4")), "{requests:?}");
    }

    //
    #[tokio::test]
    async fn trap_10_random_paths_methods_and_hosts_add_two_series() {
        let metrics = Metrics::new();
        let app = Router::new()
            .route("/items/{id}", get(|| async { "an item" }))
            .layer(HttpMetricsLayer::new(&metrics.meter()));
        for i in 0..5_000 {
            let (host, path) = (format!("host-{i}"), format!("/no/{i}"));
            send_to(&host, &app, "GET", &path).await;
            send_to(&host, &app, &format!("M{i}"), &path).await;
        }
        assert_eq!(
            metrics.sums("http_requests").into_iter().collect::<Vec<_>>(),
            expect([
                ("endpoint=_UNMATCHED,method=GET,status=404", 5_000),
                ("endpoint=_UNMATCHED,method=_OTHER,status=404", 5_000),
            ])
        );
    }
}

// X-03, trap 19: even an endpoint that is the raw path cannot grow a family beyond the series limit, and no request is lost.
#[tokio::test]
async fn trap_19_beyond_the_series_limit_requests_are_counted_under_the_overflow_endpoint() {
    let metrics = Metrics::new();
    let layer = HttpMetricsLayer::builder(endpoint_fn(|head| Some(head.uri().path())))
        .build(&metrics.meter())
        .unwrap();
    let inner = service_fn(|request: Request<()>| async move {
        let status = 200 + request.uri().path().len() as u16;
        Ok::<_, Infallible>(
            Response::builder().status(status).body(Empty::<bytes::Bytes>::new()).unwrap(),
        )
    });
    let service = layer.layer(inner);
    for i in 0..3_000 {
        for method in [Method::GET, Method::POST] {
            let request = Request::builder().method(method).uri(format!("/{i}")).body(()).unwrap();
            service.clone().oneshot(request).await.unwrap();
        }
    }
    let requests = metrics.sums("http_requests");
    assert_eq!(requests.values().sum::<i64>(), 6_000, "no request is lost");
    let overflow: i64 = requests
        .iter()
        .filter(|(labels, _)| labels.contains("_OVERFLOW"))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(overflow, 5_000);
    assert_eq!(requests.len(), 1_000 + 4, "{requests:?}");
    let latencies = metrics.latencies("http_request_duration");
    assert_eq!(latencies.values().map(|latency| latency.count).sum::<u64>(), 6_000);
    assert_eq!(latencies.len(), 1_000 + 2);
    assert_marked_overflow(&requests);
}

// a service that returns all statuses cannot exceed the limit either.
#[tokio::test]
async fn all_statuses_of_all_methods_stay_below_the_limit_of_the_sdk() {
    let metrics = Metrics::new();
    let inner = service_fn(|request: Request<u16>| async move {
        let status = *request.body();
        Ok::<_, Infallible>(
            Response::builder().status(status).body(Empty::<bytes::Bytes>::new()).unwrap(),
        )
    });
    let service = unmatched().build(&metrics.meter()).unwrap().layer(inner);
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "X"] {
        for status in 100..=999 {
            let request = Request::builder().method(method).body(status).unwrap();
            service.clone().oneshot(request).await.unwrap();
        }
    }
    let requests = metrics.sums("http_requests");
    assert_eq!(requests.values().sum::<i64>(), 8 * 900);
    assert!(requests.len() < 2_000, "{}", requests.len());
    assert_marked_overflow(&requests);
}

// O-03
#[tokio::test]
async fn latency_is_in_seconds_with_the_default_or_the_configured_boundaries() {
    let default = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let configured = [0.5, 1.0];
    for boundaries in [None, Some(configured)] {
        let metrics = Metrics::new();
        let builder = unmatched();
        let layer = match boundaries {
            None => builder.build(&metrics.meter()),
            Some(boundaries) => builder.with_boundaries(boundaries).build(&metrics.meter()),
        };
        let work = Duration::from_millis(20);
        let inner = service_fn(|_: Request<()>| async move {
            let called = Instant::now();
            while called.elapsed() < work {
                tokio::task::yield_now().await;
            }
            Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
        });
        let before = Instant::now();
        layer.unwrap().layer(inner).oneshot(Request::new(())).await.unwrap();
        let all = before.elapsed().as_secs_f64();
        let latencies = metrics.latencies("http_request_duration");
        let (_, latency) = latencies.into_iter().next().unwrap();
        assert_eq!(
            latency.bounds,
            boundaries.map_or(default.to_vec(), |configured| configured.to_vec())
        );
        assert!(
            latency.sum >= work.as_secs_f64() && latency.sum <= all,
            "{} of {all} s",
            latency.sum
        );
    }
}

//
#[tokio::test]
async fn the_label_of_the_endpoint_can_have_another_key() {
    let metrics = Metrics::new();
    let layer = HttpMetricsLayer::builder(endpoint_fn(|head| Some(head.uri().path())))
        .with_label_key(HttpLabel::Endpoint, "route")
        .with_body_sizes()
        .with_max_series(1)
        .build(&metrics.meter())
        .unwrap();
    for path in ["/a", "/b"] {
        call(&layer, Request::builder().uri(path).body(()).unwrap()).await;
    }
    let expected = expect([
        ("method=GET,otel.metric.overflow=true,route=_OVERFLOW,status=200", 1),
        ("method=GET,route=/a,status=200", 1),
    ]);
    assert_eq!(metrics.sums("http_requests").into_iter().collect::<Vec<_>>(), expected);
    for name in ["http_request_duration", "http_response_body_size"] {
        let series = metrics.latencies(name).into_keys().collect::<Vec<_>>();
        let expected =
            ["method=GET,otel.metric.overflow=true,route=_OVERFLOW", "method=GET,route=/a"];
        assert_eq!(series, expected, "{name}");
    }
}

async fn call(metrics: &HttpMetricsLayer, request: Request<()>) {
    let inner = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Empty::<bytes::Bytes>::new()))
    });
    metrics.layer(inner).oneshot(request).await.unwrap();
}

// X-03, trap 10
#[tokio::test]
async fn an_additional_method_has_its_own_label_value() {
    let metrics = Metrics::new();
    let purge = Method::from_bytes(b"PURGE").unwrap();
    let layer = unmatched().with_methods([purge]).build(&metrics.meter()).unwrap();
    for method in ["PURGE", "PROPFIND"] {
        call(&layer, Request::builder().method(method).body(()).unwrap()).await;
    }
    assert_eq!(
        metrics.sums("http_requests").into_iter().collect::<Vec<_>>(),
        expect([
            ("endpoint=_UNMATCHED,method=PURGE,status=200", 1),
            ("endpoint=_UNMATCHED,method=_OTHER,status=200", 1),
        ])
    );
}

// Trap 12
#[tokio::test]
async fn trap_12_an_excluded_request_is_not_recorded() {
    let metrics = Metrics::new();
    let layer = unmatched()
        .without_paths(["/health", "/ready"])
        .without_requests(|head| head.headers.contains_key("x-probe"))
        .build(&metrics.meter())
        .unwrap();
    for path in ["/health?verbose=1", "/ready"] {
        call(&layer, Request::builder().uri(path).body(()).unwrap()).await;
    }
    call(&layer, Request::builder().uri("/").header("x-probe", "1").body(()).unwrap()).await;
    for name in ["http_requests", "http_requests_in_flight"] {
        assert!(metrics.sums(name).is_empty(), "{name}");
    }
    assert!(metrics.latencies("http_request_duration").is_empty());
    call(&layer, Request::builder().uri("/healthy").body(()).unwrap()).await;
    assert_eq!(metrics.sums("http_requests").into_values().collect::<Vec<_>>(), [1]);
}

//
#[tokio::test]
async fn a_user_label_has_only_the_announced_values() {
    let metrics = Metrics::new();
    let layer = unmatched()
        .with_label("plan", ["free", "paid"], |head| head.headers.get("x-plan")?.to_str().ok())
        .build(&metrics.meter())
        .unwrap();
    for plan in [Some("free"), Some("paid"), Some("paid"), Some("invented"), None] {
        let mut request = Request::new(());
        if let Some(plan) = plan {
            request.headers_mut().insert("x-plan", plan.parse().unwrap());
        }
        call(&layer, request).await;
    }
    assert_eq!(
        metrics.sums("http_requests").into_iter().collect::<Vec<_>>(),
        expect([
            ("endpoint=_UNMATCHED,method=GET,plan=_OTHER,status=200", 2),
            ("endpoint=_UNMATCHED,method=GET,plan=free,status=200", 1),
            ("endpoint=_UNMATCHED,method=GET,plan=paid,status=200", 2),
        ])
    );
    assert_eq!(metrics.latencies("http_request_duration").len(), 3);
}

#[tokio::test]
async fn a_response_can_replace_the_endpoint() {
    let metrics = Metrics::new();
    let inner = service_fn(|_: Request<()>| async {
        let mut response = Response::new(Empty::<bytes::Bytes>::new());
        response.extensions_mut().insert(ResponseEndpoint("/pages/{slug}".into()));
        Ok::<_, Infallible>(response)
    });
    unmatched()
        .build(&metrics.meter())
        .unwrap()
        .layer(inner)
        .oneshot(Request::new(()))
        .await
        .unwrap();
    let expected = expect([("endpoint=/pages/{slug},method=GET,status=200", 1)]);
    assert_eq!(metrics.sums("http_requests").into_iter().collect::<Vec<_>>(), expected);
    let latencies = metrics.latencies("http_request_duration");
    assert_eq!(latencies.into_keys().collect::<Vec<_>>(), ["endpoint=/pages/{slug},method=GET"]);
}

#[tokio::test]
async fn a_streaming_endpoint_is_counted_and_not_timed() {
    let metrics = Metrics::new();
    let layer = HttpMetricsLayer::builder(endpoint_fn(|head| Some(head.uri().path())))
        .with_streaming_endpoints(["/events"])
        .build(&metrics.meter())
        .unwrap();
    for path in ["/events", "/other"] {
        call(&layer, Request::builder().uri(path).body(()).unwrap()).await;
    }
    assert_eq!(metrics.sums("http_requests").len(), 2);
    let latencies = metrics.latencies("http_request_duration");
    assert_eq!(latencies.into_keys().collect::<Vec<_>>(), ["endpoint=/other,method=GET"]);
}

#[tokio::test]
async fn optional_families_exist_only_when_they_are_turned_on() {
    let optional =
        ["http_response_headers_duration", "http_response_body_size", "http_request_body_size"];
    let metrics = Metrics::new();
    call(&unmatched().build(&metrics.meter()).unwrap(), Request::new(())).await;
    assert!(optional.iter().all(|name| metrics.latencies(name).is_empty()));
    assert_eq!(metrics.sums_with_zeros("http_requests_in_flight").len(), 1);

    let metrics = Metrics::new();
    let layer = unmatched()
        .with_time_to_headers()
        .with_body_sizes()
        .without_in_flight()
        .build(&metrics.meter())
        .unwrap();
    let echo = service_fn(
        |request: Request<tower_asdlc_metrics::RequestBody<Full<bytes::Bytes>>>| async {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            Ok::<_, Infallible>(Response::new(Full::new(body)))
        },
    );
    let service = layer.layer(layer.request_body_layer().layer(echo));
    let response = service.oneshot(Request::new(Full::from("twelve bytes"))).await.unwrap();
    assert_eq!(metrics.latencies("http_response_headers_duration").len(), 1);
    assert!(metrics.latencies("http_response_body_size").is_empty(), "not before the end");
    response.into_body().collect().await.unwrap();
    for size in &optional[1..] {
        let sizes: Vec<_> =
            metrics.latencies(size).into_values().map(|size| (size.count, size.sum)).collect();
        assert_eq!(sizes, [(1, 12.0)], "{size}");
    }
    assert!(metrics.sums_with_zeros("http_requests_in_flight").is_empty());
}

// G-01, traps 10 and 11
#[tokio::test]
async fn grpc_calls_have_their_status_and_only_listed_methods() {
    let metrics = Metrics::new();
    let layer = HttpMetricsLayer::builder(GrpcMethods::new(["/pkg.Service/Method"]))
        .build(&metrics.meter())
        .unwrap();
    let grpc = |path: &str| {
        let request = Request::builder().method("POST").uri(path);
        request.header("content-type", "application/grpc+proto").body(()).unwrap()
    };
    // The status is in the headers of a response without a body, in the trailers, or missing.
    for (headers, trailers, path) in [
        (Some("5"), None, "/pkg.Service/Method"),
        (None, Some("0"), "/pkg.Service/Method"),
        (None, Some("13"), "/pkg.Service/Method"),
        (None, None, "/pkg.Service/Method"),
    ] {
        let inner = service_fn(move |_: Request<()>| async move {
            let status = |code: &str| {
                HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())])
            };
            let steps = match (headers, trailers) {
                (Some(_), _) => vec![],
                (None, Some(code)) => vec![Step::Data("message"), Step::Trailers(status(code))],
                (None, None) => vec![Step::Data("message")],
            };
            let mut response = Response::new(Script::new(steps));
            response.headers_mut().extend(headers.map(status).unwrap_or_default());
            Ok::<_, Infallible>(response)
        });
        let response = layer.layer(inner).oneshot(grpc(path)).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    for i in 0..10_000 {
        call(&layer, grpc(&format!("/pkg.Service/Random{i}"))).await;
    }
    let plain = Request::builder().method("POST").uri("/pkg.Service/Method").body(()).unwrap();
    call(&layer, plain).await;
    assert_eq!(
        metrics.sums("http_requests").into_iter().collect::<Vec<_>>(),
        expect([
            ("endpoint=/pkg.Service/Method,grpc_status=INTERNAL,method=POST,status=200", 1),
            ("endpoint=/pkg.Service/Method,grpc_status=NOT_FOUND,method=POST,status=200", 1),
            ("endpoint=/pkg.Service/Method,grpc_status=OK,method=POST,status=200", 1),
            ("endpoint=/pkg.Service/Method,grpc_status=UNKNOWN,method=POST,status=200", 1),
            ("endpoint=/pkg.Service/Method,method=POST,status=200", 1),
            ("endpoint=_OTHER,grpc_status=UNKNOWN,method=POST,status=200", 10_000),
        ])
    );
    let failed = metrics.sums("http_requests_failed");
    let method = |error: &str, status: &str| {
        let endpoint = "endpoint=/pkg.Service/Method";
        failed.get(&format!(
            "{endpoint},error_type={error},grpc_status={status},method=POST,status=200"
        ))
    };
    assert_eq!(method("server_error", "INTERNAL"), Some(&1));
    assert_eq!(method("client_error", "NOT_FOUND"), Some(&1));
    assert_eq!(method("server_error", "UNKNOWN"), Some(&1));
    assert_eq!(failed.len(), 4, "{failed:?}");
}
