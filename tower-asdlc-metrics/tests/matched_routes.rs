//! The layer remembers the routes of an axum router by the addresses of their templates.

#![cfg(feature = "axum")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use allocation_counter::measure;
use axum::body::Body;
use axum::{Router, routing::any};
use common::Metrics;
use http::{Method, Request};
use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tower::Service;
use tower_asdlc_metrics::HttpMetricsLayer;

fn metrics_and_layer() -> (Metrics, HttpMetricsLayer) {
    let metrics = Metrics::new();
    let layer = HttpMetricsLayer::new(&metrics.meter());
    // After a collection, requests take the short path.
    assert!(metrics.sums("http_requests").is_empty());
    (metrics, layer)
}

fn router(templates: &[&str], layer: &HttpMetricsLayer) -> Router {
    let add = |router: Router, template: &&str| router.route(template, any(|| ready("a")));
    templates.iter().fold(Router::new(), add).layer(layer.clone()).with_state(())
}

fn send(router: &mut Router, method: Method, path: &str) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = pin!(router.call(request)).poll(&mut cx) else {
        panic!("no response")
    };
    let mut body = pin!(response.into_body());
    while let Poll::Ready(Some(frame)) = http_body::Body::poll_frame(body.as_mut(), &mut cx) {
        drop(frame.unwrap());
    }
}

/// How many requests each endpoint has, for each method.
fn counts(metrics: &Metrics) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for (labels, count) in metrics.sums("http_requests") {
        let kept: Vec<_> = labels.split(',').filter(|label| !label.starts_with("status")).collect();
        *counts.entry(kept.join(",")).or_default() += count;
    }
    counts
}

// O-02
#[test]
fn requests_of_each_template_and_method_are_counted_on_their_own_more_often_than_templates_fit() {
    let (metrics, layer) = metrics_and_layer();
    let templates: Vec<_> = (0..300).map(|number| format!("/{number}/{{id}}")).collect();
    let templates: Vec<_> = templates.iter().map(String::as_str).collect();
    let mut router = router(&templates, &layer);
    let mut expected = BTreeMap::new();
    for _ in 0..4 {
        for (number, template) in templates.iter().enumerate() {
            // Of the last one, the end of the response to `HEAD` is its head.
            for method in [Method::GET, Method::PUT, Method::HEAD].into_iter().skip(number % 3) {
                send(&mut router, method.clone(), &format!("/{number}/x"));
                *expected.entry(format!("endpoint={template},method={method}")).or_default() += 1;
            }
        }
    }
    assert_eq!(counts(&metrics), expected);
    assert_eq!(metrics.sums("http_requests_failed"), BTreeMap::new());
}

// O-02: the memory of a template that was dropped can have another text later.
#[test]
fn routers_that_are_made_and_dropped_one_after_another_have_their_own_endpoints() {
    let (metrics, layer) = metrics_and_layer();
    let mut expected = BTreeMap::new();
    for round in 0..200 {
        // All have the same length, so that the allocator uses the memory again.
        let template = format!("/{}/{{id}}", round % 7);
        let mut router = router(&[&template], &layer);
        for _ in 0..3 {
            send(&mut router, Method::GET, &format!("/{}/x", round % 7));
            *expected.entry(format!("endpoint={template},method=GET")).or_default() += 1;
        }
    }
    assert_eq!(counts(&metrics), expected);
}

// a nested service has a new template for each request.
#[test]
fn the_layer_keeps_few_templates_of_a_nested_service() {
    let (metrics, layer) = metrics_and_layer();
    let mut router = Router::new().nest_service("/api", router(&["/{id}"], &layer));
    for _ in 0..10 {
        send(&mut router, Method::GET, "/api/x");
    }
    // Creates the SDK's series.
    assert_eq!(counts(&metrics).len(), 1);
    let more = measure(|| (0..1_000).for_each(|_| send(&mut router, Method::GET, "/api/x")));
    assert_eq!((more.count_current, more.bytes_current), (0, 0));
    assert_eq!(counts(&metrics), [("endpoint=/api/{id},method=GET".to_owned(), 1_010)].into());
}
