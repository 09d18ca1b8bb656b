//! Clients, handlers and functions of the application that do what they should not: the series stay within their limits, and each
//! request is counted once.

use crate::measured::{Labels, Measured, Points, sum};
use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::panic::resume_unwind;
use tower::{Layer, ServiceExt, service_fn};
use tower_asdlc_metrics::{
    ClientErrorType, Conventions, Endpoint, FixedEndpoint, GrpcMethods, HttpClientMetricsLayer,
    HttpMetricsLayer, HttpMetricsLayerBuilder, ResponseLabels, endpoint_fn,
};

type Body = Empty<Bytes>;

const REQUESTS: i64 = 10_000;
const CONVENTIONS: [Conventions; 3] =
    [Conventions::Prometheus, Conventions::OpenTelemetry, Conventions::Both];

// X-03 X-10
#[tokio::test]
async fn neither_clients_nor_handlers_can_add_a_label_value() {
    for conventions in CONVENTIONS {
        let mut measured = Measured::new();
        let methods = GrpcMethods::new(["/pkg.Service/Method"]);
        let builder = HttpMetricsLayer::builder(methods.or(FixedEndpoint("/all")));
        let builder =
            builder.with_hosts(["shop.example"]).with_response_label("cache", ["hit", "miss"]);
        let builder = builder.with_body_sizes();
        let layer = build(builder, conventions, &measured);
        let mut random = fastrand::Rng::with_seed(3);
        let mut values = fastrand::Rng::with_seed(4);
        for _ in 0..REQUESTS {
            serve(&layer, random_request(&mut random), &word(&mut values)).await;
        }
        let points = measured.points();
        assert_counted(&points, conventions, REQUESTS);
        let series = values_of(&points);
        for (key, value) in &series {
            let known: &[&str] = match key.as_str() {
                "method" | "http.request.method" => &[
                    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
                    "QUERY", "_OTHER",
                ],
                "endpoint" | "http.route" => &["/all", "_OTHER", "/pkg.Service/Method"],
                "rpc.method" => &["_OTHER", "pkg.Service/Method"],
                "host" | "server.address" => &["shop.example", "_OTHER"],
                "server.port" => &["80", "443"],
                "url.scheme" => &["http", "https"],
                "network.protocol.version" => &["0.9", "1.0", "1.1", "2", "3"],
                "cache" => &["hit", "miss", "_OTHER"],
                "rpc.system.name" => &["grpc"],
                "status" | "http.response.status_code" => &["200"],
                // The response has no gRPC status.
                "grpc_status" | "rpc.response.status_code" | "error.type" => &["UNKNOWN"],
                "error_type" => &["server_error"],
                other => panic!("the label {other} is not expected"),
            };
            assert!(known.contains(&value.as_str()), "{key}={value}");
        }
        // The traffic reaches the values that are not known.
        assert!(series.iter().any(|(_, value)| value == "_OTHER"));
    }
}

// X-03 X-10
#[tokio::test]
async fn an_endpoint_that_clients_choose_stays_within_the_series_limit() {
    for conventions in CONVENTIONS {
        let mut measured = Measured::new();
        let builder = HttpMetricsLayer::builder(endpoint_fn(|head| Some(head.uri().path())));
        let layer = build(builder.with_max_series(50), conventions, &measured);
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..REQUESTS {
            serve(&layer, random_request(&mut random), "").await;
        }
        let points = measured.points();
        assert_counted(&points, conventions, REQUESTS);
        let names: BTreeSet<_> = points.keys().map(|(name, _)| name).collect();
        for name in names {
            let is_over = |labels: &Labels| labels.contains_key("otel.metric.overflow");
            let series = || points.keys().filter(|(of, _)| of == name).map(|(_, labels)| labels);
            let own = series().filter(|labels| !is_over(labels)).count();
            let over = series().filter(|labels| is_over(labels)).count();
            if name.contains("flight") || name.contains("active") {
                assert!(own <= 2 * 10 && over == 0, "{name}: {own} {over}");
            } else {
                assert!(own <= 50 && (1..500).contains(&over), "{name}: {own} {over}");
            }
        }
    }
}

// X-05 X-10 X-11
#[tokio::test]
async fn a_function_of_the_application_that_panics_fails_no_request() {
    let mut measured = Measured::new();
    let builder = HttpMetricsLayer::builder(endpoint_fn(|_| panics()));
    let builder = builder.with_url_scheme(|_| panics()).with_label("plan", ["free"], |_| panics());
    let layer = build(builder.with_hosts(["shop.example"]), Conventions::Both, &measured);
    for _ in 0..10 {
        serve(
            &layer,
            Request::get("https://shop.example/").body(Body::new()).expect("a request"),
            "",
        )
        .await;
    }
    let points = measured.points();
    assert_counted(&points, Conventions::Both, 10);
    let schemes = values_of(&points);
    assert!(schemes.contains(&("url.scheme".to_owned(), "http".to_owned())), "{schemes:?}");

    let mut measured = Measured::new();
    let client = HttpClientMetricsLayer::builder()
        .with_conventions(Conventions::Both)
        .with_endpoint(endpoint_fn(|_| panics()))
        .with_label("plan", ["free"], |_| panics())
        .without_requests(|_| panics())
        .with_error_type(|_: &io::Error| -> Option<ClientErrorType> { panics() })
        .build(&measured.provider)
        .expect("the settings are valid");
    for kind in [io::ErrorKind::TimedOut, io::ErrorKind::InvalidData] {
        let fails = service_fn(move |_: Request<Body>| {
            ready(Err::<Response<Body>, _>(io::Error::from(kind)))
        });
        let request = Request::get("http://artifacts/").body(Body::new()).expect("a request");
        let error = client.layer(fails).oneshot(request).await.expect_err("it fails");
        assert_eq!(error.kind(), kind, "the error of the client is unchanged");
    }
    let points = measured.points();
    assert_eq!(sum(&points, "http_client_requests"), 2);
    assert_eq!(sum(&points, "http.client.request.duration"), 2);
    let values = values_of(&points);
    for error_type in ["timeout", "service_error"] {
        // The rules that do not panic decide.
        for key in ["error_type", "error.type"] {
            assert!(values.contains(&(key.to_owned(), error_type.to_owned())), "{values:?}");
        }
    }
}

fn build(
    builder: HttpMetricsLayerBuilder,
    conventions: Conventions,
    measured: &Measured,
) -> HttpMetricsLayer {
    let builder = builder.with_conventions(conventions);
    let builder = match conventions {
        Conventions::Prometheus => builder,
        _ => builder.with_active_requests(),
    };
    builder.build(&measured.provider).expect("the settings are valid")
}

/// Serves a request with a handler that sets the label `cache` to this value.
async fn serve(layer: &HttpMetricsLayer, request: Request<Body>, cache: &str) {
    let handler = service_fn(|_: Request<Body>| {
        let mut response = Response::new(Body::new());
        ResponseLabels::set(&mut response, "cache", cache.to_owned());
        ready(Ok::<_, Infallible>(response))
    });
    let response = layer.layer(handler).oneshot(request).await;
    let Ok(response) = response;
    response.into_body().collect().await.expect("the body is empty");
}

#[track_caller]
fn assert_counted(points: &Points, conventions: Conventions, requests: i64) {
    let semantic =
        sum(points, "http.server.request.duration") + sum(points, "rpc.server.call.duration");
    let prometheus = sum(points, "http_requests");
    let expected = match conventions {
        Conventions::Prometheus => (requests, 0),
        Conventions::OpenTelemetry => (0, requests),
        _ => (requests, requests),
    };
    assert_eq!((prometheus, semantic), expected);
}

fn values_of(points: &Points) -> BTreeSet<(String, String)> {
    points.keys().flat_map(|(_, labels)| labels.clone()).collect()
}

/// A request of an attacker: each part is one of a few known values, or random.
fn random_request(random: &mut fastrand::Rng) -> Request<Body> {
    let mut one_of = |known: &[&str]| match known.get(random.usize(..=known.len())) {
        Some(known) => (*known).to_owned(),
        None => word(random),
    };
    let scheme = one_of(&["http", "https"]);
    let host = one_of(&["shop.example", "SHOP.EXAMPLE"]);
    let path = format!("/{}/{}", one_of(&["pkg.Service"]), one_of(&["Method"]));
    let method = one_of(&["GET", "POST", "QUERY"]);
    let content_type = one_of(&["application/grpc", "application/grpc-web"]);
    let versions =
        [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3];
    let uri = if random.bool() { format!("{scheme}://{host}{path}") } else { path };
    let request = Request::builder()
        .method(method.as_bytes())
        .uri(uri)
        .version(versions[random.usize(..versions.len())])
        .header("host", host)
        .header("content-type", content_type);
    request.body(Body::new()).expect("a request")
}

fn word(random: &mut fastrand::Rng) -> String {
    let length = random.usize(1..30);
    (0..length).map(|_| random.alphabetic()).collect()
}

/// Without the message of the panic hook.
fn panics<T>() -> T {
    resume_unwind(Box::new("planned"))
}
