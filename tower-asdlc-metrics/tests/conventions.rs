//! OpenTelemetry's conventions: what is recorded under which names, beside Prometheus' convention.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Metrics, Reader, Script, Step};
use http::uri::Scheme;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body::Body as _;
use opentelemetry_sdk::metrics::ManualReader;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tower::{Layer, Service, service_fn};
use tower_asdlc_metrics::{
    Conventions, FixedEndpoint, GrpcMethods, HttpLabel, HttpMetric, HttpMetricsLayer,
    HttpMetricsLayerBuilder, ResponseLabels, SCHEMA_URL, SEMANTIC_SCHEMA_URL, endpoint_fn,
};

const DURATION: &str = "http.server.request.duration";
const CALL_DURATION: &str = "rpc.server.call.duration";
const ACTIVE: &str = "http.server.active_requests";

fn routes() -> HttpMetricsLayerBuilder {
    HttpMetricsLayer::builder(endpoint_fn(|head| {
        head.uri().path().starts_with("/items/").then_some("/items/{id}")
    }))
}

fn semantic() -> HttpMetricsLayerBuilder {
    routes().with_conventions(Conventions::OpenTelemetry)
}

fn get(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

/// Sends a request, and polls the response's body to its end.
fn send<B>(layer: &HttpMetricsLayer, request: Request<()>, respond: impl Fn() -> Response<B>)
where
    B: http_body::Body + Unpin,
{
    let inner = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(respond())));
    let mut cx = Context::from_waker(Waker::noop());
    let future = pin!(layer.layer(inner).call(request));
    let Poll::Ready(Ok(response)) = future.poll(&mut cx) else { panic!("no response") };
    let mut body = pin!(response.into_body());
    while let Poll::Ready(Some(Ok(_))) = body.as_mut().poll_frame(&mut cx) {}
}

fn respond(status: u16) -> impl Fn() -> Response<Script> {
    move || Response::builder().status(status).body(Script::new([Step::Data("x")])).unwrap()
}

/// Starts a request, and drops it before there is a response.
fn cancel(layer: &HttpMetricsLayer, request: Request<()>) {
    let never = service_fn(|_: Request<()>| pending::<Result<Response<Script>, Infallible>>());
    let mut future = Box::pin(layer.layer(never).call(request));
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

fn counts(metrics: &Metrics, name: &str) -> Vec<(String, u64)> {
    let latencies = metrics.latencies(name).into_iter();
    latencies.map(|(labels, latency)| (labels, latency.count)).collect()
}

fn expect<const N: usize>(expected: [(&str, u64); N]) -> Vec<(String, u64)> {
    expected.map(|(labels, count)| (labels.to_owned(), count)).into()
}

// X-10
#[test]
fn a_request_is_recorded_with_the_attributes_of_the_convention_and_nothing_invented() {
    let metrics = Metrics::new();
    let layer = semantic().build(&metrics.meter()).unwrap();
    send(&layer, get("/items/7"), respond(200));
    send(&layer, get("/nowhere"), respond(404));
    send(&layer, get("/items/7"), respond(503));
    let mut http_2 = get("https://shop.example/items/7");
    *http_2.version_mut() = Version::HTTP_2;
    send(&layer, http_2, respond(200));
    cancel(&layer, get("/items/7"));
    let query = Request::builder().method("QUERY").uri("/items/7").body(()).unwrap();
    send(&layer, query, respond(200));
    let unknown = Request::builder().method("BREW").uri("/items/7").body(()).unwrap();
    send(&layer, unknown, respond(200));
    let route = "http.route=/items/{id},network.protocol.version=";
    let expected = expect([
        (
            &format!(
                "error.type=503,http.request.method=GET,http.response.status_code=503,{route}1.1,url.scheme=http"
            ),
            1,
        ),
        (&format!("error.type=cancelled,http.request.method=GET,{route}1.1,url.scheme=http"), 1),
        (
            &format!(
                "http.request.method=GET,http.response.status_code=200,{route}1.1,url.scheme=http"
            ),
            1,
        ),
        (
            &format!(
                "http.request.method=GET,http.response.status_code=200,{route}2,url.scheme=https"
            ),
            1,
        ),
        (
            "http.request.method=GET,http.response.status_code=404,network.protocol.version=1.1,url.scheme=http",
            1,
        ),
        (
            &format!(
                "http.request.method=QUERY,http.response.status_code=200,{route}1.1,url.scheme=http"
            ),
            1,
        ),
        (
            &format!(
                "http.request.method=_OTHER,http.response.status_code=200,{route}1.1,url.scheme=http"
            ),
            1,
        ),
    ]);
    assert_eq!(counts(&metrics, DURATION), expected);
    let bounds = &metrics.latencies(DURATION).into_values().next().unwrap().bounds;
    let boundaries =
        [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
    assert_eq!(*bounds, boundaries);
    for name in ["http_requests", "http_requests_failed", "http_requests_in_flight", ACTIVE] {
        assert!(metrics.sums_with_zeros(name).is_empty(), "{name}");
    }
}

// X-10
#[test]
fn a_grpc_call_is_in_the_duration_of_calls_only() {
    let metrics = Metrics::new();
    let layer = HttpMetricsLayer::builder(GrpcMethods::new(["/pkg.Service/Method"]))
        .with_conventions(Conventions::OpenTelemetry)
        .build(&metrics.meter())
        .unwrap();
    let call = |path: &str| {
        let request = Request::post(path).header("content-type", "application/grpc");
        request.version(Version::HTTP_2).body(()).unwrap()
    };
    let trailers = |code: &'static str| {
        move || {
            let status =
                HeaderMap::from_iter([("grpc-status".parse().unwrap(), code.parse().unwrap())]);
            Response::new(Script::new([Step::Data("message"), Step::Trailers(status)]))
        }
    };
    for code in ["0", "5", "13"] {
        send(&layer, call("/pkg.Service/Method"), trailers(code));
    }
    send(&layer, call("/pkg.Service/Unknown"), trailers("12"));
    cancel(&layer, call("/pkg.Service/Method"));
    send(&layer, get("/pkg.Service/Method"), respond(200));
    let method = "rpc.method=pkg.Service/Method,rpc.response.status_code";
    let system = "rpc.system.name=grpc";
    let expected = expect([
        (&format!("error.type=INTERNAL,{method}=INTERNAL,{system}"), 1),
        (
            &format!(
                "error.type=UNIMPLEMENTED,rpc.method=_OTHER,rpc.response.status_code=UNIMPLEMENTED,{system}"
            ),
            1,
        ),
        (&format!("error.type=cancelled,{method}=CANCELLED,{system}"), 1),
        (&format!("{method}=NOT_FOUND,{system}"), 1),
        (&format!("{method}=OK,{system}"), 1),
    ]);
    assert_eq!(counts(&metrics, CALL_DURATION), expected);
    assert_eq!(counts(&metrics, DURATION).iter().map(|(_, count)| count).sum::<u64>(), 1);
}

// X-10
#[test]
fn both_conventions_count_the_same_requests_and_prometheus_is_as_without_the_other() {
    let (alone, both) = (Metrics::new(), Metrics::new());
    let layers = [
        routes().with_body_sizes().build(&alone.meter()).unwrap(),
        routes()
            .with_body_sizes()
            .with_conventions(Conventions::Both)
            .with_active_requests()
            .build(&both.meter())
            .unwrap(),
    ];
    for layer in &layers {
        for status in [200, 204, 302, 404, 408, 500, 504] {
            for path in ["/items/1", "/x"] {
                send(layer, get(path), respond(status));
            }
        }
        cancel(layer, get("/items/1"));
    }
    for name in ["http_requests", "http_requests_failed", "http_requests_in_flight"] {
        assert_eq!(alone.sums_with_zeros(name), both.sums_with_zeros(name), "{name}");
    }
    for name in ["http_request_duration", "http_response_body_size"] {
        assert_eq!(counts(&alone, name), counts(&both, name), "{name}");
        assert!(!counts(&alone, name).is_empty());
    }
    let total: i64 = both.sums("http_requests").into_values().sum();
    let timed: u64 = counts(&both, DURATION).into_iter().map(|(_, count)| count).sum();
    assert_eq!((total, timed), (15, 15));
    let sizes = counts(&both, "http.server.response.body.size");
    assert_eq!(sizes.iter().map(|(_, count)| count).sum::<u64>(), 15);
}

// X-10
#[test]
fn active_requests_are_counted_by_method_and_scheme() {
    let metrics = Metrics::new();
    let layer = semantic()
        .with_active_requests()
        .with_url_scheme(|head| {
            let is_https = head.headers.contains_key("x-tls");
            if is_https { Scheme::HTTPS } else { Scheme::HTTP }
        })
        .build(&metrics.meter())
        .unwrap();
    let never = service_fn(|_: Request<()>| pending::<Result<Response<Script>, Infallible>>());
    let hold = |request| {
        let mut future = Box::pin(layer.layer(never).call(request));
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        future
    };
    let mut secure = get("/items/1");
    secure.headers_mut().insert("x-tls", "1".parse().unwrap());
    let held = [hold(get("/items/1")), hold(secure)];
    let series = |count| {
        [
            (String::from("http.request.method=GET,url.scheme=http"), count),
            (String::from("http.request.method=GET,url.scheme=https"), count),
        ]
    };
    assert!(metrics.sums_with_zeros(ACTIVE).into_iter().eq(series(1)));
    drop(held);
    assert!(metrics.sums_with_zeros(ACTIVE).into_iter().eq(series(0)));
}

// X-10
#[test]
fn a_list_replaces_the_known_methods() {
    let metrics = Metrics::new();
    let purge = Method::from_bytes(b"PURGE").unwrap();
    let layer =
        semantic().with_known_methods([Method::GET, purge]).build(&metrics.meter()).unwrap();
    for method in ["GET", "PURGE", "HEAD", "POST", "QUERY"] {
        let request = Request::builder().method(method).uri("/items/1").body(()).unwrap();
        send(&layer, request, respond(200));
    }
    let series = counts(&metrics, DURATION).into_iter();
    let methods: Vec<_> = series
        .map(|(labels, count)| {
            let method =
                labels.split(',').find_map(|label| label.strip_prefix("http.request.method="));
            (method.unwrap().to_owned(), count)
        })
        .collect();
    assert_eq!(methods, expect([("GET", 1), ("PURGE", 1), ("_OTHER", 3)]));
}

// X-10, X-03
#[test]
fn beyond_the_series_limit_requests_are_counted_without_a_route() {
    let metrics = Metrics::new();
    let layer = HttpMetricsLayer::builder(endpoint_fn(|head| Some(head.uri().path())))
        .with_conventions(Conventions::OpenTelemetry)
        .with_max_series(2)
        .build(&metrics.meter())
        .unwrap();
    for i in 0..100 {
        send(&layer, get(&format!("/{i}")), respond(200));
    }
    let rest = "network.protocol.version=1.1";
    let expected = expect([
        (
            &format!(
                "http.request.method=GET,http.response.status_code=200,http.route=/0,{rest},url.scheme=http"
            ),
            1,
        ),
        (
            &format!(
                "http.request.method=GET,http.response.status_code=200,http.route=/1,{rest},url.scheme=http"
            ),
            1,
        ),
        (
            &format!(
                "http.request.method=GET,http.response.status_code=200,{rest},otel.metric.overflow=true,url.scheme=http"
            ),
            98,
        ),
    ]);
    assert_eq!(counts(&metrics, DURATION), expected);
}

// X-10
#[test]
fn the_host_is_a_label_only_from_a_list() {
    let metrics = Metrics::new();
    let layer = routes()
        .with_conventions(Conventions::Both)
        .with_hosts(["shop.example", "shop.example:8443"])
        .build(&metrics.meter())
        .unwrap();
    for host in ["shop.example", "SHOP.example:80", "shop.example:8443", "attacker.example"] {
        let request = Request::get("/items/1").header("host", host).body(()).unwrap();
        send(&layer, request, respond(200));
    }
    let requests: Vec<_> = metrics.sums("http_requests").into_iter().collect();
    let series = |host: &str| format!("endpoint=/items/{{id}},host={host},method=GET,status=200");
    let expected =
        [(series("_OTHER"), 1), (series("shop.example"), 2), (series("shop.example:8443"), 1)];
    assert_eq!(requests, expected);
    let servers: Vec<_> = counts(&metrics, DURATION)
        .into_iter()
        .map(|(labels, count)| {
            let server: Vec<_> =
                labels.split(',').filter(|label| label.starts_with("server.")).collect();
            (server.join(","), count)
        })
        .collect();
    let expected = expect([
        ("server.address=_OTHER", 1),
        ("server.address=shop.example,server.port=80", 2),
        ("server.address=shop.example,server.port=8443", 1),
    ]);
    assert_eq!(servers, expected);
}

// X-10
#[test]
fn a_response_sets_declared_labels_in_both_conventions() {
    let metrics = Metrics::new();
    let layer = routes()
        .with_conventions(Conventions::Both)
        .with_body_sizes()
        .with_response_label("cache", ["hit", "miss"])
        .build(&metrics.meter())
        .unwrap();
    for value in [Some("hit"), Some("hit"), Some("invented"), None] {
        send(&layer, get("/items/1"), || {
            let mut response = respond(200)();
            value.into_iter().for_each(|value| ResponseLabels::set(&mut response, "cache", value));
            response
        });
    }
    cancel(&layer, get("/items/1"));
    let by_cache = |series: Vec<(String, u64)>| {
        let mut sums = std::collections::BTreeMap::new();
        for (labels, count) in series {
            let cache = labels.split(',').find_map(|label| label.strip_prefix("cache="));
            *sums.entry(cache.unwrap().to_owned()).or_default() += count;
        }
        sums.into_iter().collect::<Vec<(String, u64)>>()
    };
    let expected = expect([("_OTHER", 3), ("hit", 2)]);
    for name in ["http_request_duration", "http_response_body_size", DURATION] {
        assert_eq!(by_cache(counts(&metrics, name)), expected, "{name}");
    }
    let requests = metrics.sums("http_requests").into_iter();
    let requests = requests.map(|(labels, count)| (labels, u64::try_from(count).unwrap()));
    assert_eq!(by_cache(requests.collect()), expected);
}

// X-10
#[test]
fn names_keys_and_the_status_of_the_latency_can_be_those_of_another_library() {
    let metrics = Metrics::new();
    let layer = routes()
        .with_metric_name(HttpMetric::Requests, "axum_http_requests")
        .with_metric_name(HttpMetric::FailedRequests, "axum_http_requests_failed")
        .with_metric_name(HttpMetric::RequestDuration, "axum_http_requests_duration")
        .with_metric_name(HttpMetric::RequestsInFlight, "axum_http_requests_pending")
        .with_label_key(HttpLabel::Endpoint, "path")
        .with_label_key(HttpLabel::Method, "verb")
        .with_label_key(HttpLabel::Status, "code")
        .with_label_key(HttpLabel::ErrorType, "reason")
        .with_status_on_duration()
        .build(&metrics.meter())
        .unwrap();
    send(&layer, get("/items/1"), respond(200));
    send(&layer, get("/items/1"), respond(404));
    let route = "path=/items/{id}";
    let ok = format!("code=200,{route},verb=GET");
    let not_found = format!("code=404,{route},verb=GET");
    let requests = [(ok.clone(), 1), (not_found.clone(), 1)];
    assert!(metrics.sums("axum_http_requests").into_iter().eq(requests));
    assert_eq!(counts(&metrics, "axum_http_requests_duration"), [(ok, 1), (not_found, 1)]);
    let failed = [(format!("code=404,{route},reason=client_error,verb=GET"), 1)];
    assert!(metrics.sums("axum_http_requests_failed").into_iter().eq(failed));
    let pending = [("verb=GET".to_owned(), 0)];
    assert!(metrics.sums_with_zeros("axum_http_requests_pending").into_iter().eq(pending));
}

// X-10, X-09
#[test]
fn each_convention_has_a_scope_with_its_schema() {
    for (conventions, expected) in [
        (Conventions::Prometheus, vec![SCHEMA_URL]),
        (Conventions::OpenTelemetry, vec![SEMANTIC_SCHEMA_URL]),
        (Conventions::Both, vec![SCHEMA_URL, SEMANTIC_SCHEMA_URL]),
    ] {
        let reader = Reader(Arc::new(ManualReader::default()));
        let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
        let layer = HttpMetricsLayer::builder(FixedEndpoint("/x"))
            .with_conventions(conventions)
            .build(&provider)
            .unwrap();
        send(&layer, get("/x"), respond(200));
        let mut collected = ResourceMetrics::default();
        reader.collect(&mut collected).unwrap();
        let mut urls: Vec<_> = collected
            .scope_metrics()
            .map(|scope| {
                assert_eq!(scope.scope().name(), "tower-asdlc-metrics");
                scope.scope().schema_url().unwrap().to_owned()
            })
            .collect();
        urls.sort_by_key(|url| url != SCHEMA_URL);
        assert_eq!(urls, expected, "{conventions:?}");
    }
}

// X-10, F-17b
#[test]
fn a_setting_without_effect_or_with_a_wrong_name_is_refused() {
    let metrics = Metrics::new();
    let message =
        |builder: HttpMetricsLayerBuilder| builder.build(&metrics.meter()).unwrap_err().to_string();
    for (builder, expected) in [
        (
            semantic().with_status_on_duration(),
            "invalid conventions OpenTelemetry: must be Prometheus or Both, because of with_status_on_duration",
        ),
        (
            semantic().with_metric_name(HttpMetric::Requests, "x"),
            "invalid conventions OpenTelemetry: must be Prometheus or Both, because of with_metric_name",
        ),
        (
            routes().with_active_requests(),
            "invalid conventions Prometheus: must be OpenTelemetry or Both, because of with_active_requests",
        ),
        (
            routes().with_metric_name(HttpMetric::Requests, "x_total"),
            r#"invalid metric name "x_total": must not end in _total, which a Prometheus exporter appends"#,
        ),
        (
            routes().with_metric_name(HttpMetric::RequestDuration, "x_seconds"),
            r#"invalid metric name "x_seconds": must not end in _seconds, which a Prometheus exporter appends"#,
        ),
        (
            routes().with_metric_name(HttpMetric::Requests, "1x"),
            r#"invalid metric name "1x": must match [a-zA-Z][a-zA-Z0-9_.-/]{0,254}"#,
        ),
        (
            routes().with_metric_name(HttpMetric::Requests, "http_requests_failed"),
            r#"invalid metric name "http_requests_failed": must not be the name of two metrics"#,
        ),
        (
            routes()
                .with_label_key(HttpLabel::Endpoint, "x")
                .with_label_key(HttpLabel::Status, "x"),
            r#"invalid label key "x": must not be given twice"#,
        ),
        (
            semantic().with_label("http.route", ["a"], |_| None),
            r#"invalid label key "http.route": must not be an attribute of OpenTelemetry's conventions for HTTP and RPC"#,
        ),
        (
            routes().with_response_label("cache", ["hit"]).with_label("cache", ["a"], |_| None),
            r#"invalid response label key "cache": must not be given twice"#,
        ),
        (
            routes().with_hosts(["http://shop.example"]),
            r#"invalid host "http://shop.example": must be a host, or a host and a port: shop.example or shop.example:8080"#,
        ),
    ] {
        assert_eq!(message(builder), expected);
    }
    assert!(semantic().with_label("tenant.tier", ["a"], |_| None).build(&metrics.meter()).is_ok());
}
