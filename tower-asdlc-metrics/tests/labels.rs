//! The labels, and what cannot become one.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use common::Metrics;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use std::convert::Infallible;
use std::time::{Duration, Instant};
use tower::{Layer, ServiceExt, service_fn};
use tower_asdlc_metrics::{HttpMetricsLayer, endpoint_fn};

async fn send(app: &Router, method: &str, uri: &str) {
    let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    response.into_body().collect().await.unwrap();
}

fn expect<const N: usize>(pairs: [(&str, i64); N]) -> Vec<(String, i64)> {
    pairs.map(|(labels, count)| (labels.to_owned(), count)).into()
}

#[cfg(feature = "axum")]
mod with_axum {
    use super::*;
    use axum::routing::any;

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
            metrics.sums("http_requests_total").into_iter().collect::<Vec<_>>(),
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
            metrics.sums("http_requests_total").into_iter().collect::<Vec<_>>(),
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
        let requests = metrics.sums("http_requests_total");
        assert_eq!(requests.len(), 1, "{requests:?}");
        assert!(!requests.keys().any(|labels| labels.contains("/files/4")), "{requests:?}");
    }
}

//
#[tokio::test]
async fn trap_10_random_paths_and_methods_add_two_series() {
    let metrics = Metrics::new();
    let app = Router::new()
        .route("/items/{id}", get(|| async { "an item" }))
        .layer(HttpMetricsLayer::new(&metrics.meter()));
    for i in 0..5_000 {
        send(&app, "GET", &format!("/no/{i}")).await;
        send(&app, &format!("M{i}"), &format!("/no/{i}")).await;
    }
    assert_eq!(
        metrics.sums("http_requests_total").into_iter().collect::<Vec<_>>(),
        expect([
            ("endpoint=_UNMATCHED,method=GET,status=404", 5_000),
            ("endpoint=_UNMATCHED,method=_OTHER,status=404", 5_000),
        ])
    );
}

// X-03, trap 19: even a function that returns the raw path cannot grow a family without end, and nothing is lost.
#[tokio::test]
async fn trap_19_past_the_cap_requests_are_counted_under_the_overflow_endpoint() {
    let metrics = Metrics::new();
    let layer = HttpMetricsLayer::builder()
        .with_endpoint(endpoint_fn(|head| Some(head.uri.path())))
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
    let requests = metrics.sums("http_requests_total");
    assert_eq!(requests.values().sum::<i64>(), 6_000, "none is lost");
    let overflow: i64 = requests
        .iter()
        .filter(|(labels, _)| labels.contains("_OVERFLOW"))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(overflow, 5_000);
    assert_eq!(requests.len(), 1_000 + 4, "{requests:?}");
    let latencies = metrics.latencies("http_request_duration_seconds");
    assert_eq!(latencies.values().map(|latency| latency.count).sum::<u64>(), 6_000);
    assert_eq!(latencies.len(), 1_000 + 2);
    assert!(
        !requests.keys().any(|labels| labels.contains("otel")),
        "the SDK's own limit is not reached"
    );
}

// nor can a service that invents statuses.
#[tokio::test]
async fn every_status_there_is_on_every_method_stays_below_the_sdks_limit() {
    let metrics = Metrics::new();
    let inner = service_fn(|request: Request<u16>| async move {
        let status = *request.body();
        Ok::<_, Infallible>(
            Response::builder().status(status).body(Empty::<bytes::Bytes>::new()).unwrap(),
        )
    });
    let service = HttpMetricsLayer::new(&metrics.meter()).layer(inner);
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "X"] {
        for status in 100..=999 {
            let request = Request::builder().method(method).body(status).unwrap();
            service.clone().oneshot(request).await.unwrap();
        }
    }
    let requests = metrics.sums("http_requests_total");
    assert_eq!(requests.values().sum::<i64>(), 8 * 900);
    assert!(requests.len() < 2_000, "{}", requests.len());
    assert!(
        !requests.keys().any(|labels| labels.contains("otel")),
        "the SDK's own limit is not reached"
    );
}

// O-03
#[tokio::test]
async fn latency_is_in_seconds_with_the_default_boundaries_or_the_ones_asked_for() {
    let default = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let asked = [0.5, 1.0];
    for boundaries in [None, Some(asked)] {
        let metrics = Metrics::new();
        let builder = HttpMetricsLayer::builder();
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
        let latencies = metrics.latencies("http_request_duration_seconds");
        let (_, latency) = latencies.into_iter().next().unwrap();
        assert_eq!(latency.bounds, boundaries.map_or(default.to_vec(), |asked| asked.to_vec()));
        assert!(
            latency.sum >= work.as_secs_f64() && latency.sum <= all,
            "{} of {all} s",
            latency.sum
        );
    }
}
