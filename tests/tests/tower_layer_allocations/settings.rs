//! The settings of a server layer that need not cost an allocation.

use super::{Empty, MEASURED, WARM_UP, allocations_of, respond};
use asdlc_exporter::Exporter;
use asdlc_tests::exposition::Exposition;
use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use std::convert::Infallible;
use std::future::ready;
use tower::{Layer, service_fn};
use tower_asdlc_metrics::{
    Conventions, FixedEndpoint, GrpcMethods, HttpMetricsLayer, HttpMetricsLayerBuilder,
    ResponseLabels,
};

fn builder() -> HttpMetricsLayerBuilder {
    HttpMetricsLayer::builder(FixedEndpoint("/")).with_active_requests()
}

// X-02 X-10
#[test]
fn a_warm_request_allocates_nothing_in_either_convention() {
    let bare = allocations_of(service_fn(respond), request).count_total;
    for conventions in [Conventions::OpenTelemetry, Conventions::Both] {
        let exporter = exporter();
        let layer = build(builder().with_conventions(conventions), &exporter);
        // Before and after the first collection, from which on measurements are buffered.
        for round in 1..=2 {
            let layered = allocations_of(layer.layer(service_fn(respond)), request).count_total;
            assert_eq!(layered, bare, "{conventions:?}, round {round}");
            assert_eq!(counted(&exporter, HTTP), f64::from(round * (WARM_UP + MEASURED)));
        }
    }
}

// X-02 X-10 G-01
#[test]
fn a_warm_grpc_call_allocates_nothing_in_either_convention() {
    let call = || {
        let call = Request::post("/pkg.Service/Method").header("content-type", "application/grpc");
        call.body(Empty::new()).expect("a request")
    };
    let respond = |_| {
        let mut response = Response::new(Full::<Bytes>::default());
        response.headers_mut().insert("grpc-status", HeaderValue::from_static("5"));
        ready(Ok::<_, Infallible>(response))
    };
    let bare = allocations_of(service_fn(respond), call).count_total;
    for conventions in [Conventions::OpenTelemetry, Conventions::Both] {
        let exporter = exporter();
        let methods = GrpcMethods::new(["/pkg.Service/Method"]);
        let layer = HttpMetricsLayer::builder(methods).with_conventions(conventions);
        let layer = build(layer, &exporter);
        for round in 1..=2 {
            let layered = allocations_of(layer.layer(service_fn(respond)), call).count_total;
            assert_eq!(layered, bare, "{conventions:?}, round {round}");
            assert_eq!(counted(&exporter, RPC), f64::from(round * (WARM_UP + MEASURED)));
        }
    }
}

// X-02 X-10: the extension is the handler's, and is dropped with the response.
#[test]
fn a_label_of_the_response_costs_the_layer_no_allocation() {
    for value in ["hit", "invented"] {
        let respond = move |_| {
            let mut response = Response::new(Full::<Bytes>::default());
            ResponseLabels::set(&mut response, "cache", value);
            ready(Ok::<_, Infallible>(response))
        };
        let exporter = exporter();
        let builder = builder().with_conventions(Conventions::Both);
        let layer = build(builder.with_response_label("cache", ["hit", "miss"]), &exporter);
        let bare = allocations_of(service_fn(respond), request).count_total;
        for round in 1..=2 {
            let layered = allocations_of(layer.layer(service_fn(respond)), request).count_total;
            assert_eq!(layered, bare, "{value}, round {round}");
            assert_eq!(counted(&exporter, HTTP), f64::from(round * (WARM_UP + MEASURED)));
        }
    }
}

// X-02 X-10 X-03
#[test]
fn no_host_that_a_client_names_costs_an_allocation() {
    let long = "a".repeat(10_000);
    for (host, label) in [
        ("shop.example", "shop.example"),
        ("SHOP.Example:80", "shop.example"),
        ("shop.example:8443", "_OTHER"),
        ("attacker.example", "_OTHER"),
        (&long, "_OTHER"),
        ("no host", "_OTHER"),
        ("", "_OTHER"),
    ] {
        let exporter = exporter();
        let layer = build(
            builder().with_conventions(Conventions::Both).with_hosts(["shop.example"]),
            &exporter,
        );
        let request = || {
            let request = Request::get("/").header("host", host);
            request.body(Empty::new()).expect("a request")
        };
        let bare = allocations_of(service_fn(respond), request).count_total;
        for round in 1..=2 {
            let layered = allocations_of(layer.layer(service_fn(respond)), request).count_total;
            assert_eq!(layered, bare, "{host}, round {round}");
            let counted = exposition(&exporter).sum_by("http_requests_total", ["host"]);
            let expected = ([label.to_owned()], f64::from(round * (WARM_UP + MEASURED)));
            assert_eq!(counted, [expected].into());
        }
    }
}

fn request() -> Request<Empty<Bytes>> {
    Request::new(Empty::new())
}

fn build(builder: HttpMetricsLayerBuilder, exporter: &Exporter) -> HttpMetricsLayer {
    builder.build(&exporter.meter()).expect("the settings are valid")
}

fn counted(exporter: &Exporter, name: &str) -> f64 {
    exposition(exporter).sum(name)
}

pub(crate) fn exporter() -> Exporter {
    Exporter::builder("under-test").build().expect("the name is valid")
}

pub(crate) fn exposition(exporter: &Exporter) -> Exposition {
    let body = exporter.render().expect("it renders");
    Exposition::parse(body.as_ref()).expect("it renders valid text")
}

const HTTP: &str = "http_server_request_duration_seconds_count";
const RPC: &str = "rpc_server_call_duration_seconds_count";
