//! The layer around a client.

use super::settings::{exporter, exposition};
use super::{Empty, MEASURED, WARM_UP, allocations_of, respond};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use std::convert::Infallible;
use std::future::ready;
use tower::{Layer, service_fn};
use tower_asdlc_metrics::{
    Conventions, HttpClientMetricsLayer, HttpClientMetricsLayerBuilder, endpoint_fn,
};

const CONVENTIONS: [(Conventions, &str); 3] = [
    (Conventions::Prometheus, "http_client_request_duration_seconds_count"),
    (Conventions::OpenTelemetry, "http_client_request_duration_seconds_count"),
    (Conventions::Both, "http_client_requests_total"),
];

fn get(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).expect("a request")
}

// X-02 X-11
#[test]
fn a_warm_request_of_a_client_allocates_nothing_in_any_convention() {
    let template =
        || endpoint_fn(|head| head.uri().path().starts_with("/report/").then_some("/report/{id}"));
    for (conventions, count) in CONVENTIONS {
        let plain = || HttpClientMetricsLayer::builder().with_conventions(conventions);
        let builders = [
            plain(),
            plain().with_endpoint(template()),
            plain().with_hosts(["artifacts:8080"]),
            plain().with_response_label("cache", ["hit"]),
            plain().with_tonic_errors(),
        ];
        for builder in builders {
            assert_allocates_nothing(builder, "http://artifacts:8080/report/1", count);
        }
    }
}

// X-02 X-11 X-03
#[test]
fn no_host_costs_a_warm_client_an_allocation() {
    for uri in [
        "http://ARTIFACTS:8080/",
        "http://user:secret@artifacts:8080/",
        "http://artifacts:80/",
        "http://[::1]:8080/",
        "https://artifacts:8080/",
        "/",
    ] {
        for (conventions, count) in CONVENTIONS {
            let builder = || HttpClientMetricsLayer::builder().with_conventions(conventions);
            assert_allocates_nothing(builder(), uri, count);
            assert_allocates_nothing(builder().with_hosts(["other"]), uri, count);
            assert_allocates_nothing(builder().with_default_host("inventory"), uri, count);
        }
    }
}

// X-02 X-11 X-03: a crawler.
#[test]
fn hosts_beyond_the_limit_cost_no_allocation() {
    let exporter = exporter();
    let builder = HttpClientMetricsLayer::builder().with_conventions(Conventions::Both);
    let layer = builder.with_max_hosts(2).build(&exporter.meter()).expect("valid settings");
    let numbers = std::cell::Cell::new(0_u32);
    let next = || {
        numbers.set(numbers.get() + 1);
        get(&format!("http://host{}.example/", numbers.get()))
    };
    let bare = allocations_of(service_fn(respond), next).count_total;
    for round in 1..=2 {
        let layered = allocations_of(layer.layer(service_fn(respond)), next).count_total;
        assert_eq!(layered, bare, "round {round}");
        let hosts = exposition(&exporter).sum_by("http_client_requests_total", ["host"]);
        assert_eq!(hosts.len(), 3, "{hosts:?}");
        let others = f64::from(round * (WARM_UP + MEASURED)) - 2.0;
        assert_eq!(hosts[&["_OTHER".to_owned()]], others);
    }
}

// X-02 X-11 G-01
#[test]
fn a_warm_grpc_call_of_a_client_allocates_nothing() {
    let call = || {
        let call = Request::post("/pkg.Service/Method").header("content-type", "application/grpc");
        call.body(Empty::new()).expect("a request")
    };
    let respond = |_| {
        let mut response = Response::new(Full::<Bytes>::default());
        response.headers_mut().insert("grpc-status", HeaderValue::from_static("0"));
        ready(Ok::<_, Infallible>(response))
    };
    let exporter = exporter();
    let builder = HttpClientMetricsLayer::builder().with_conventions(Conventions::Both);
    let layer = builder.with_default_host("inventory:50051").with_tonic_errors();
    let layer = layer.build(&exporter.meter()).expect("valid settings");
    let bare = allocations_of(service_fn(respond), call).count_total;
    for round in 1..=2 {
        let layered = allocations_of(layer.layer(service_fn(respond)), call).count_total;
        assert_eq!(layered, bare, "round {round}");
        let counted = exposition(&exporter).sum("rpc_client_call_duration_seconds_count");
        assert_eq!(counted, f64::from(round * (WARM_UP + MEASURED)));
    }
}

#[track_caller]
fn assert_allocates_nothing(builder: HttpClientMetricsLayerBuilder, uri: &str, count: &str) {
    let exporter = exporter();
    let layer = builder.build(&exporter.meter()).expect("the settings are valid");
    let bare = allocations_of(service_fn(respond), || get(uri)).count_total;
    // The first collection starts the buffering of measurements.
    for round in 1..=2 {
        let layered = allocations_of(layer.layer(service_fn(respond)), || get(uri)).count_total;
        assert_eq!(layered, bare, "{uri}, round {round}");
        // Without this an unrecorded request would pass as a cheap one.
        let counted = exposition(&exporter).sum(count);
        assert_eq!(counted, f64::from(round * (WARM_UP + MEASURED)), "{uri}");
    }
}
