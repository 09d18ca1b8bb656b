//! A request whose route is known, and which ends after a collection, takes other code paths than the first one. It is recorded in
//! the same way.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Metrics, Script, Step};
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{Future, Ready, pending, ready};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use tower::{Layer, Service, service_fn};
use tower_asdlc_metrics::{
    Conventions, FixedEndpoint, HttpClientMetricsLayer, HttpMetricsLayer, HttpMetricsLayerBuilder,
    ResponseBody, ResponseEndpoint, endpoint_fn,
};

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

thread_local! {
    /// Whether the futures of the services are large. The layer has other code for such futures.
    static HAS_LARGE_FUTURES: Cell<bool> = const { Cell::new(false) };
}

async fn large<F: Future>(future: F) -> F::Output {
    let padding = black_box([0_u8; 512]);
    let output = future.await;
    black_box(padding);
    output
}

fn poll_dyn<T>(future: Pin<&mut dyn Future<Output = T>>) -> Poll<T> {
    poll(future)
}

type Output<E> = Result<Response<ResponseBody<Script>>, E>;

/// Calls a service with the layer, and passes the future to `then`.
fn call<F: Future<Output = Result<Response<Script>, E>>, E, R>(
    layer: &HttpMetricsLayer,
    service: impl Fn(Request<()>) -> F + Clone,
    request: Request<()>,
    then: impl FnOnce(Pin<&mut dyn Future<Output = Output<E>>>) -> R,
) -> R {
    if HAS_LARGE_FUTURES.get() {
        let service = service_fn(move |request| large(service(request)));
        then(pin!(layer.layer(service).call(request)))
    } else {
        then(pin!(layer.layer(service_fn(service)).call(request)))
    }
}

fn request(method: Method) -> Request<()> {
    Request::builder().method(method).uri("/x").body(()).unwrap()
}

/// Sends a request to a service that returns this response, and reads this many frames of its body. Calls `while_open` before it
/// drops the body.
fn read(
    layer: &HttpMetricsLayer,
    request: Request<()>,
    response: impl Fn() -> Response<Script>,
    frames: usize,
    while_open: &dyn Fn(),
) {
    let service = |_: Request<()>| ready(Ok::<_, Infallible>(response()));
    let Poll::Ready(Ok(response)) = call(layer, service, request, poll_dyn) else {
        panic!("no response")
    };
    let mut body = pin!(response.into_body());
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..frames {
        drop(body.as_mut().poll_frame(&mut cx));
    }
    while_open();
}

fn with_status(status: u16) -> Response<Script> {
    let body = Script::new([Step::Data("a"), Step::Data("b")]);
    Response::builder().status(status).body(body).unwrap()
}

fn complete(layer: &HttpMetricsLayer, _: &dyn Fn()) {
    read(layer, request(Method::GET), || with_status(200), 3, &|| ());
}

fn not_found(layer: &HttpMetricsLayer, _: &dyn Fn()) {
    read(layer, request(Method::GET), || with_status(404), 3, &|| ());
}

fn head(layer: &HttpMetricsLayer, _: &dyn Fn()) {
    read(layer, request(Method::HEAD), || with_status(200), 0, &|| ());
}

fn post(layer: &HttpMetricsLayer, while_open: &dyn Fn()) {
    read(layer, request(Method::POST), || with_status(200), 1, while_open);
}

fn upgraded(layer: &HttpMetricsLayer, _: &dyn Fn()) {
    read(layer, request(Method::GET), || with_status(101), 0, &|| ());
}

fn aborted(layer: &HttpMetricsLayer, while_open: &dyn Fn()) {
    read(layer, request(Method::GET), || with_status(200), 1, while_open);
}

fn body_error(layer: &HttpMetricsLayer, _: &dyn Fn()) {
    let response = || Response::new(Script::new([Step::Data("a"), Step::Fail]));
    read(layer, request(Method::GET), response, 2, &|| ());
}

fn length_mismatch(layer: &HttpMetricsLayer, _: &dyn Fn()) {
    let response = || {
        let mut response = with_status(200);
        response.headers_mut().insert("content-length", "3".parse().unwrap());
        response
    };
    read(layer, request(Method::GET), response, 3, &|| ());
}

fn cancelled(layer: &HttpMetricsLayer, while_open: &dyn Fn()) {
    let service = |_: Request<()>| pending::<Result<Response<Script>, Infallible>>();
    call(layer, service, request(Method::GET), |future| {
        assert!(poll(future).is_pending());
        while_open();
    });
}

fn never_polled(layer: &HttpMetricsLayer, while_open: &dyn Fn()) {
    let service = |_: Request<()>| pending::<Result<Response<Script>, Infallible>>();
    call(layer, service, request(Method::GET), |_| while_open());
}

fn service_error(layer: &HttpMetricsLayer, _: &dyn Fn()) {
    let service = |_: Request<()>| ready(Err::<Response<Script>, _>("broken"));
    assert!(call(layer, service, request(Method::GET), poll_dyn).is_ready());
}

fn panic_in_call(layer: &HttpMetricsLayer, _: &dyn Fn()) {
    type Called = Ready<Result<Response<Script>, Infallible>>;
    let panics = |_: Request<()>| -> Called { panic!("on purpose") };
    let call = || call(layer, panics, request(Method::GET), |_| ());
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
}

fn panic_in_body(layer: &HttpMetricsLayer, _: &dyn Fn()) {
    let response = || Response::new(Script::new([Step::Panic]));
    let read = || read(layer, request(Method::GET), response, 1, &|| ());
    assert!(catch_unwind(AssertUnwindSafe(read)).is_err());
}

fn grpc(layer: &HttpMetricsLayer, while_open: &dyn Fn()) {
    let mut request = request(Method::POST);
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let trailers = || HeaderMap::from_iter([("grpc-status".parse().unwrap(), 5.into())]);
    let response = || Response::new(Script::new([Step::Data("a"), Step::Trailers(trailers())]));
    read(layer, request, response, 1, while_open);
}

fn grpc_with_status(layer: &HttpMetricsLayer, _: &dyn Fn()) {
    let mut request = request(Method::POST);
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let trailers = || HeaderMap::from_iter([("grpc-status".parse().unwrap(), 5.into())]);
    let response = || Response::new(Script::new([Step::Data("a"), Step::Trailers(trailers())]));
    read(layer, request, response, 2, &|| ());
}

type Case = (fn(&HttpMetricsLayer, &dyn Fn()), &'static str, Option<&'static str>);

/// How a request ends, its labels, and its error type.
const CASES: [Case; 15] = [
    (complete, "method=GET,status=200", None),
    (not_found, "method=GET,status=404", Some("client_error")),
    (head, "method=HEAD,status=200", None),
    (post, "method=POST,status=200", Some("aborted")),
    (upgraded, "method=GET,status=101", None),
    (aborted, "method=GET,status=200", Some("aborted")),
    (body_error, "method=GET,status=200", Some("body_error")),
    (length_mismatch, "method=GET,status=200", Some("content_length_mismatch")),
    (cancelled, "method=GET,status=499", Some("cancelled")),
    (never_polled, "method=GET,status=499", Some("cancelled")),
    (service_error, "method=GET,status=500", Some("service_error")),
    (panic_in_call, "method=GET,status=500", Some("panic")),
    (panic_in_body, "method=GET,status=200", Some("panic")),
    (grpc, "grpc_status=CANCELLED,method=POST,status=200", Some("aborted")),
    (grpc_with_status, "grpc_status=NOT_FOUND,method=POST,status=200", Some("client_error")),
];

fn sums(metrics: &Metrics, name: &str) -> Vec<(String, i64)> {
    metrics.sums(name).into_iter().collect()
}

fn assert_recorded(metrics: &Metrics, times: u64, (_, labels, error): Case) {
    let count = |labels| vec![(labels, times as i64)];
    assert_eq!(sums(metrics, "http_requests"), count(format!("endpoint=/x,{labels}")));
    let failed: i64 = metrics.sums("http_requests_failed").into_values().sum();
    assert_eq!(failed, error.map_or(0, |_| times as i64), "{labels}");
    for labels in metrics.sums("http_requests_failed").into_keys() {
        let error = format!("error_type={}", error.unwrap());
        assert!(labels.contains(&error), "{labels} without {error}");
    }
    let timed = metrics.latencies("http_request_duration").into_values();
    assert_eq!(timed.map(|latency| latency.count).sum::<u64>(), times, "{labels}");
    assert_eq!(sums(metrics, "http_requests_in_flight"), []);
}

fn layers() -> [HttpMetricsLayerBuilder; 3] {
    [
        HttpMetricsLayer::builder(FixedEndpoint("/x")),
        HttpMetricsLayer::builder(endpoint_fn(|_| Some("/x"))),
        // Its flags are not the usual ones.
        HttpMetricsLayer::builder(FixedEndpoint("/x")).with_body_sizes(),
    ]
}

// X-01, O-02
#[test]
fn each_ending_is_recorded_once_before_and_after_a_collection_whether_its_route_is_known_or_not() {
    for (case, is_large) in CASES
        .into_iter()
        .zip([false; CASES.len()])
        .chain(CASES.into_iter().zip([true; CASES.len()]))
    {
        HAS_LARGE_FUTURES.set(is_large);
        let (run, ..) = case;
        for (layer, is_collected_first) in
            layers().into_iter().zip([false; 3]).chain(layers().into_iter().zip([true; 3]))
        {
            let metrics = Metrics::new();
            let layer = layer.build(&metrics.meter()).unwrap();
            if is_collected_first {
                assert_eq!(sums(&metrics, "http_requests"), []);
            }
            run(&layer, &|| ());
            assert_recorded(&metrics, 1, case);
            // Now the route is known. More requests than a batch buffers, and not a multiple.
            for number in 2..=40 {
                let in_flight = |count| {
                    let counts = metrics.sums("http_requests_in_flight").into_values();
                    assert_eq!(counts.sum::<i64>(), count);
                };
                let while_open = || {
                    if number % 13 == 0 {
                        in_flight(1);
                    }
                };
                run(&layer, &while_open);
            }
            assert_recorded(&metrics, 40, case);
        }
    }
}

// O-07
#[test]
fn the_endpoint_is_asked_once_for_each_request() {
    let metrics = Metrics::new();
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    let endpoint = endpoint_fn(move |head| {
        counted.fetch_add(1, Ordering::Relaxed);
        Some(head.uri().path())
    });
    let layer =
        HttpMetricsLayer::builder(endpoint).with_max_series(2).build(&metrics.meter()).unwrap();
    let mut requests = 0;
    for _ in 0..3 {
        // Known ones, and ones beyond the limit.
        for path in ["/a", "/b", "/c", "/d", "/a"] {
            for method in [Method::GET, Method::POST] {
                let mut request = request(method);
                *request.uri_mut() = path.parse().unwrap();
                read(&layer, request, || with_status(200), 3, &|| ());
                requests += 1;
                assert_eq!(calls.load(Ordering::Relaxed), requests);
            }
        }
        let recorded: i64 = metrics.sums("http_requests").into_values().sum();
        assert_eq!(recorded, requests as i64);
    }
}

/// Sends each of these requests three times, before and after a collection, and returns how many were counted by these labels.
fn counted_by(
    metrics: &Metrics,
    name: &str,
    labels: &[&str],
    send_all: impl Fn(),
) -> BTreeMap<String, u64> {
    for _ in 0..3 {
        send_all();
        metrics.sums("http_requests");
    }
    let mut counts = BTreeMap::new();
    for (all, latency) in metrics.latencies(name) {
        let is_kept = |label: &&str| labels.iter().any(|key| label.split('=').next() == Some(key));
        let kept: Vec<_> = all.split(',').filter(is_kept).collect();
        *counts.entry(kept.join(",")).or_default() += latency.count;
    }
    counts
}

fn three_each<const N: usize>(labels: [&str; N]) -> BTreeMap<String, u64> {
    labels.into_iter().map(|labels| (labels.to_owned(), 3)).collect()
}

// a fixed endpoint does not make routes equal that differ in another label.
#[test]
fn requests_to_a_fixed_endpoint_with_different_labels_have_different_routes() {
    let metrics = Metrics::new();
    let layer = HttpMetricsLayer::builder(FixedEndpoint("/x"))
        .with_label("plan", ["free", "paid"], |head| head.headers.get("plan")?.to_str().ok())
        .build(&metrics.meter())
        .unwrap();
    let send = |plan: &str, method: Method| {
        let mut request = request(method);
        request.headers_mut().insert("plan", plan.parse().unwrap());
        read(&layer, request, || with_status(200), 3, &|| ());
    };
    let send_all = || {
        for plan in ["free", "paid"] {
            send(plan, Method::GET);
            send(plan, Method::POST);
        }
    };
    let counts = counted_by(&metrics, "http_request_duration", &["method", "plan"], send_all);
    let expected = ["GET,plan=free", "GET,plan=paid", "POST,plan=free", "POST,plan=paid"]
        .map(|labels| format!("method={labels}"));
    assert_eq!(counts, three_each(expected.each_ref().map(String::as_str)));
}

//
#[test]
fn requests_to_a_fixed_endpoint_with_different_schemes_have_different_routes() {
    let metrics = Metrics::new();
    let layer = HttpMetricsLayer::builder(FixedEndpoint("/x"))
        .with_conventions(Conventions::OpenTelemetry)
        .build(&metrics.meter())
        .unwrap();
    let send_all = || {
        for scheme in ["http", "https"] {
            for method in [Method::GET, Method::DELETE] {
                let mut request = request(method);
                *request.uri_mut() = format!("{scheme}://x/x").parse().unwrap();
                read(&layer, request, || with_status(200), 3, &|| ());
            }
        }
    };
    let labels = ["http.request.method", "url.scheme"];
    let counts = counted_by(&metrics, "http.server.request.duration", &labels, send_all);
    let expected = [
        "http.request.method=DELETE,url.scheme=http",
        "http.request.method=DELETE,url.scheme=https",
        "http.request.method=GET,url.scheme=http",
        "http.request.method=GET,url.scheme=https",
    ];
    assert_eq!(counts, three_each(expected));
}

// the endpoint of most clients is always empty.
#[test]
fn requests_of_a_client_to_different_hosts_have_different_routes() {
    let metrics = Metrics::new();
    let layer = HttpClientMetricsLayer::builder()
        .with_conventions(Conventions::OpenTelemetry)
        .build(&metrics.meter())
        .unwrap();
    let send_all = || {
        for host in ["a", "b"] {
            for method in [Method::GET, Method::PUT] {
                let request = Request::builder().method(method).uri(format!("http://{host}/x"));
                let service = service_fn(|_: Request<()>| {
                    ready(Ok::<_, Infallible>(Response::new(Script::default())))
                });
                let future = layer.layer(service).call(request.body(()).unwrap());
                assert!(poll(pin!(future)).is_ready());
            }
        }
    };
    let labels = ["http.request.method", "server.address"];
    let counts = counted_by(&metrics, "http.client.request.duration", &labels, send_all);
    let expected = [
        "http.request.method=GET,server.address=a",
        "http.request.method=GET,server.address=b",
        "http.request.method=PUT,server.address=a",
        "http.request.method=PUT,server.address=b",
    ];
    assert_eq!(counts, three_each(expected));
}

// F-05
#[test]
fn a_response_replaces_a_fixed_endpoint_whose_route_is_known() {
    let metrics = Metrics::new();
    let layer = HttpMetricsLayer::builder(FixedEndpoint("/x")).build(&metrics.meter()).unwrap();
    let named = || {
        let mut response = with_status(200);
        response.extensions_mut().insert(ResponseEndpoint("/named".into()));
        response
    };
    let send_all = || {
        read(&layer, request(Method::GET), || with_status(200), 3, &|| ());
        read(&layer, request(Method::GET), named, 3, &|| ());
    };
    let counts = counted_by(&metrics, "http_request_duration", &["endpoint"], send_all);
    assert_eq!(counts, three_each(["endpoint=/named", "endpoint=/x"]));
}

//
#[test]
fn beyond_the_series_limit_requests_to_a_fixed_endpoint_are_counted_under_the_overflow_value() {
    let metrics = Metrics::new();
    let layer = HttpMetricsLayer::builder(FixedEndpoint("/x"))
        .with_max_series(1)
        .build(&metrics.meter())
        .unwrap();
    let send_all = || {
        for method in [Method::GET, Method::PUT] {
            read(&layer, request(method), || with_status(200), 3, &|| ());
        }
    };
    let counts = counted_by(&metrics, "http_request_duration", &["endpoint", "method"], send_all);
    let expected = ["endpoint=/x,method=GET", "endpoint=_OVERFLOW,method=PUT"];
    assert_eq!(counts, three_each(expected));
}
