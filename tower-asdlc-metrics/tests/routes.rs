//! Each request has one route, also when the response names its endpoint.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::Metrics;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_asdlc_metrics::{
    FixedEndpoint, HttpMetricsLayer, HttpMetricsLayerBuilder, RequestBody, ResponseEndpoint,
    endpoint_fn,
};

const HISTOGRAMS: [&str; 4] = [
    "http_request_duration",
    "http_response_headers_duration",
    "http_response_body_size",
    "http_request_body_size",
];

/// A layer with all families, for a service whose responses name the endpoints.
fn builder() -> HttpMetricsLayerBuilder {
    HttpMetricsLayer::builder(endpoint_fn(|_| None)).with_body_sizes().with_time_to_headers()
}

/// Reads the request, and responds with the endpoint in its header `x-endpoint`, if it has one.
async fn respond(
    request: Request<RequestBody<Full<Bytes>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let named = request.headers().get("x-endpoint").map(|name| name.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut response = Response::new(Full::new(body));
    if let Some(name) = named {
        response.extensions_mut().insert(ResponseEndpoint(name.into()));
    }
    Ok(response)
}

async fn send(layer: &HttpMetricsLayer, headers: &[(&str, &str)]) {
    let mut request = Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::from("a body")).unwrap();
    let service = layer.layer(layer.request_body_layer().layer(service_fn(respond)));
    service.oneshot(request).await.unwrap().into_body().collect().await.unwrap();
}

/// Counts by labels, including series without a measurement.
fn counts(metrics: &Metrics, name: &str) -> BTreeMap<String, u64> {
    let latencies = metrics.latencies_with_zeros(name).into_iter();
    latencies.map(|(labels, latency)| (labels, latency.count)).collect()
}

// F-05
#[tokio::test]
async fn all_series_of_a_request_have_the_endpoint_that_the_response_names() {
    let metrics = Metrics::new();
    let layer = builder().build(&metrics.meter()).unwrap();
    for _ in 0..3 {
        send(&layer, &[("x-endpoint", "/pages/{slug}")]).await;
    }
    let requests = metrics.sums_with_zeros("http_requests").into_iter().collect::<Vec<_>>();
    assert_eq!(requests, [("endpoint=/pages/{slug},method=GET,status=200".to_owned(), 3)]);
    for name in HISTOGRAMS {
        let expected = ("endpoint=/pages/{slug},method=GET".to_owned(), 3);
        assert_eq!(counts(&metrics, name), BTreeMap::from([expected]), "{name}");
    }
}

// F-05
#[tokio::test]
async fn a_request_creates_one_route_whether_request_or_response_names_the_endpoint() {
    let metrics = Metrics::new();
    let layer = builder().with_max_series(3).build(&metrics.meter()).unwrap();
    for page in ["/a", "/b", "/c", "/a", "/d"] {
        send(&layer, &[("x-endpoint", page)]).await;
    }
    let expected = [
        ("endpoint=/a,method=GET", 2),
        ("endpoint=/b,method=GET", 1),
        ("endpoint=/c,method=GET", 1),
        ("endpoint=_OVERFLOW,method=GET,otel.metric.overflow=true", 1),
    ];
    let expected = expected.map(|(labels, count)| (labels.to_owned(), count));
    for name in HISTOGRAMS {
        assert_eq!(counts(&metrics, name), BTreeMap::from(expected.clone()), "{name}");
    }
}

// F-05
#[tokio::test]
async fn user_labels_are_kept_when_the_response_replaces_the_overflow_route() {
    let metrics = Metrics::new();
    let plan = |head: tower_asdlc_metrics::RequestHead<'_>| head.headers.contains_key("x-paid");
    let layer = HttpMetricsLayer::builder(endpoint_fn(|head| Some(head.uri().path())))
        .with_label("plan", ["paid"], move |head| plan(head).then_some("paid"))
        .with_max_series(1)
        .with_body_sizes()
        .build(&metrics.meter())
        .unwrap();
    // The series limit is 1, and `/page` has the only route. Requests to `/` have the overflow route, until the response names
    // `/page`.
    let page = ("x-endpoint", "/page");
    for _ in 0..3 {
        send(&layer, &[page, ("x-paid", "1")]).await;
        send(&layer, &[("x-paid", "1")]).await;
    }
    let requests = metrics.sums("http_requests");
    let expected = [
        ("endpoint=/page,method=GET,plan=paid,status=200".to_owned(), 3),
        (
            "endpoint=_OVERFLOW,method=GET,otel.metric.overflow=true,plan=_OTHER,status=200"
                .to_owned(),
            3,
        ),
    ];
    assert_eq!(requests, BTreeMap::from(expected));
    let sizes = counts(&metrics, "http_request_body_size");
    assert_eq!(sizes["endpoint=/page,method=GET,plan=paid"], 3);
}

// F-05: the request's body may end before the response's head, with it, or long after it.
#[tokio::test]
async fn a_request_body_is_sized_once_whenever_it_ends() {
    let metrics = Metrics::new();
    let layer = builder().build(&metrics.meter()).unwrap();
    let kept = Arc::new(Mutex::new(None));
    let keep = {
        let kept = Arc::clone(&kept);
        service_fn(move |request: Request<RequestBody<Full<Bytes>>>| {
            *kept.lock().unwrap() = Some(request.into_body());
            let mut response = Response::new(Full::<Bytes>::default());
            response.extensions_mut().insert(ResponseEndpoint("/kept".into()));
            std::future::ready(Ok::<_, Infallible>(response))
        })
    };
    let service = layer.layer(layer.request_body_layer().layer(keep));
    service.oneshot(Request::new(Full::from("a body"))).await.unwrap();
    assert!(counts(&metrics, "http_request_body_size").is_empty());
    let body = kept.lock().unwrap().take().unwrap();
    body.collect().await.unwrap();
    let sizes = metrics.latencies("http_request_body_size").into_iter();
    let sizes: Vec<_> = sizes.map(|(labels, size)| (labels, size.count, size.sum)).collect();
    assert_eq!(sizes, [("endpoint=/kept,method=GET".to_owned(), 1, 6.0)]);
}

// F-05, X-01: no response names another endpoint.
#[test]
fn a_request_without_a_response_has_the_endpoint_of_the_request() {
    let metrics = Metrics::new();
    let layer = HttpMetricsLayer::builder(FixedEndpoint("/x")).with_body_sizes();
    let layer = layer.build(&metrics.meter()).unwrap();
    let never = service_fn(|request: Request<RequestBody<Full<Bytes>>>| async {
        let _held = request;
        pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    });
    let mut service = layer.layer(layer.request_body_layer().layer(never));
    {
        let mut future = pin!(service.call(Request::new(Full::from("a body"))));
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(metrics.sums_with_zeros("http_requests").is_empty());
        assert_eq!(metrics.sums("http_requests_in_flight").into_values().sum::<i64>(), 1);
    }
    let requests = metrics.sums("http_requests").into_iter().collect::<Vec<_>>();
    assert_eq!(requests, [("endpoint=/x,method=GET,status=499".to_owned(), 1)]);
    let sizes = counts(&metrics, "http_request_body_size");
    assert_eq!(sizes, BTreeMap::from([("endpoint=/x,method=GET".to_owned(), 1)]));
}

// F-05, a neighbour: two nested layers, each of which sizes request bodies.
#[tokio::test]
async fn nested_layers_of_two_meters_each_size_a_request_body_once() {
    let (outer, inner) = (Metrics::new(), Metrics::new());
    let [outside, inside] = [("/outer", &outer), ("/inner", &inner)].map(|(name, metrics)| {
        let builder = HttpMetricsLayer::builder(FixedEndpoint(name)).with_body_sizes();
        builder.build(&metrics.meter()).unwrap()
    });
    let read = service_fn(|request: Request<RequestBody<RequestBody<Full<Bytes>>>>| async move {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::new(Full::new(body)))
    });
    let bodies = outside.request_body_layer().layer(inside.request_body_layer().layer(read));
    let service = outside.layer(inside.layer(bodies));
    let response = service.oneshot(Request::new(Full::from("a body"))).await.unwrap();
    response.into_body().collect().await.unwrap();
    for (name, metrics) in [("/outer", outer), ("/inner", inner)] {
        let sizes = counts(&metrics, "http_request_body_size");
        assert_eq!(sizes, BTreeMap::from([(format!("endpoint={name},method=GET"), 1)]));
    }
}

/// Responds with the endpoint `/named` to requests with the content type `named`.
async fn answer(request: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from("a body"));
    if request.headers().get("content-type").is_some_and(|value| value == "named") {
        response.extensions_mut().insert(ResponseEndpoint("/named".into()));
    }
    Ok(response)
}

//
#[tokio::test]
async fn with_a_fixed_endpoint_each_request_has_its_own_labels_before_and_after_a_collection() {
    let metrics = Metrics::new();
    let builder = HttpMetricsLayer::builder(FixedEndpoint("/x"));
    let layer = builder.build(&metrics.meter()).unwrap();
    let requests = [
        ("GET", "", "endpoint=/x,method=GET,status=200"),
        ("HEAD", "", "endpoint=/x,method=HEAD,status=200"),
        ("POST", "text/plain", "endpoint=/x,method=POST,status=200"),
        ("POST", "application/grpc", "endpoint=/x,grpc_status=UNKNOWN,method=POST,status=200"),
        ("BREW", "", "endpoint=/x,method=_OTHER,status=200"),
        ("GET", "named", "endpoint=/named,method=GET,status=200"),
    ];
    // A route is known from the second request on. The first collection is after the second round.
    for round in 1..=4 {
        for (method, content_type, _) in requests {
            let request = Request::builder().method(method).header("content-type", content_type);
            let service = layer.layer(service_fn(answer));
            let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
            response.into_body().collect().await.unwrap();
        }
        if round >= 2 {
            let expected = requests.map(|(_, _, labels)| (labels.to_owned(), round));
            assert_eq!(metrics.sums("http_requests"), expected.into(), "round {round}");
            assert_eq!(metrics.sums("http_requests_in_flight"), BTreeMap::new());
        }
    }
}

//
#[tokio::test]
async fn with_a_fixed_endpoint_labels_of_the_application_are_those_of_each_request() {
    let metrics = Metrics::new();
    let builder =
        HttpMetricsLayer::builder(FixedEndpoint("/x"))
            .with_label("tier", ["a"], |head| head.headers.get("x-tier")?.to_str().ok());
    let layer = builder.build(&metrics.meter()).unwrap();
    for round in 1..=3 {
        for tier in ["a", "b"] {
            let request = Request::builder().header("x-tier", tier).body(()).unwrap();
            let response = layer.layer(service_fn(answer)).oneshot(request).await.unwrap();
            response.into_body().collect().await.unwrap();
        }
        let labels =
            ["a", "_OTHER"].map(|tier| format!("endpoint=/x,method=GET,status=200,tier={tier}"));
        assert_eq!(metrics.sums("http_requests"), labels.map(|labels| (labels, round)).into());
    }
}
