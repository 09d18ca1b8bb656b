//! Metrics that are not measured at the end of a request, and series beyond the limit.

use crate::meter::{Exemplars, Of};
use crate::requests::{End, SOMEBODY_ELSES, in_span, of, request, span};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{Empty, Full};
use opentelemetry::trace::SpanContext;
use std::convert::Infallible;
use std::future::ready;
use std::sync::{Arc, Mutex};
use tower::{Layer, service_fn};
use tower_asdlc_metrics::{
    Conventions, FixedEndpoint, HttpMetricsLayer, RequestBody, ResponseEndpoint, UpgradeGuard,
    endpoint_fn,
};

type TestRequest = Request<Empty<&'static [u8]>>;

//
#[test]
fn the_duration_of_an_upgraded_connection_belongs_to_the_span_of_its_handshake() {
    for (exemplars, context, expected) in [
        (Exemplars::of_sampled(), span(1, true), of(1)),
        (Exemplars::of_sampled(), span(1, false), Of::None),
        (Exemplars::of_all(), SpanContext::NONE, Of::Span(0, 0)),
    ] {
        let layer = HttpMetricsLayer::builder(FixedEndpoint("/chat")).with_upgrades();
        let layer = layer.build(&exemplars).unwrap();
        let held = Arc::new(Mutex::new(None));
        let mut service = layer.layer(service_fn(|request: TestRequest| {
            *held.lock().unwrap() = Some(UpgradeGuard::of(&request));
            let response = Response::builder().status(101).body(Empty::<&[u8]>::new());
            ready(Ok::<_, Infallible>(response.unwrap()))
        }));
        let mut request = request();
        request.headers_mut().insert("upgrade", "websocket".parse().unwrap());
        in_span(context, || End::Complete.send(&mut service, request));
        let measured = |instruments: &[&str]| {
            let expected: Vec<_> =
                instruments.iter().map(|name| ((*name).to_owned(), expected)).collect();
            assert_eq!(exemplars.take_spans(), expected);
        };
        measured(&["http_request_duration", "http_requests"]);
        // The connection ends.
        in_span(span(SOMEBODY_ELSES, true), || held.lock().unwrap().take());
        measured(&["http_upgraded_connection_duration"]);
    }
}

//
#[test]
fn a_measurement_beyond_the_series_limit_belongs_to_the_span_of_its_request() {
    for has_body_sizes in [false, true] {
        let exemplars = Exemplars::of_sampled();
        let endpoints = endpoint_fn(|head| Some(head.uri().path()));
        let layer = HttpMetricsLayer::builder(endpoints).with_max_series(1);
        let layer = layer.with_conventions(Conventions::Both);
        let layer = if has_body_sizes { layer.with_body_sizes() } else { layer };
        let layer = layer.build(&exemplars).unwrap();
        let service = service_fn(|request: Request<RequestBody<_>>| {
            let is_found = request.uri().query().is_none();
            if is_found { End::Complete } else { End::NotFound }.respond(request)
        });
        let mut service = layer.layer(layer.request_body_layer().layer(service));
        let mut ids = 1..;
        for _ in 0..3 {
            // The series of the first are within the limit. The others have another status, and another endpoint.
            for uri in ["/known", "/known?not-found", "/new", "/new?not-found"] {
                for is_sampled in [true, false] {
                    let id = ids.next().unwrap();
                    let mut request = request();
                    *request.uri_mut() = uri.parse().unwrap();
                    in_span(span(id, is_sampled), || End::Complete.send(&mut service, request));
                    let measured = in_span(span(SOMEBODY_ELSES, true), || exemplars.take());
                    let of = if is_sampled { of(id) } else { Of::None };
                    assert!(measured.iter().all(|made| made.of == of), "{uri} {measured:?}");
                    // Two durations, the requests, and maybe those that failed and the sizes of each convention.
                    let failed = usize::from(uri.contains('?'));
                    let expected = 3 + failed + if has_body_sizes { 4 } else { 0 };
                    assert_eq!(measured.len(), expected, "{uri} {measured:?}");
                }
            }
        }
    }
}

// the state of such a request has more than the span.
#[test]
fn a_new_route_and_an_endpoint_of_the_response_leave_the_span_as_it_is() {
    let exemplars = Exemplars::of_sampled();
    let endpoints = endpoint_fn(|head| Some(head.uri().path()));
    let layer = HttpMetricsLayer::builder(endpoints).build(&exemplars).unwrap();
    for renames in [false, true] {
        let mut service = layer.layer(service_fn(move |_: TestRequest| {
            let mut response = Response::new(Empty::<&[u8]>::new());
            if renames {
                response.extensions_mut().insert(ResponseEndpoint("/renamed".into()));
            }
            ready(Ok::<_, Infallible>(response))
        }));
        for id in 1..10 {
            let mut request = request();
            *request.uri_mut() = format!("/{id}").parse().unwrap();
            in_span(span(id, true), || End::Complete.send(&mut service, request));
            let measured = exemplars.take();
            assert_eq!(measured.len(), 2);
            for made in measured {
                assert_eq!(made.of, of(id));
                let endpoint = if renames { "/renamed".to_owned() } else { format!("/{id}") };
                assert!(made.labels.contains(&endpoint), "{made:?}");
            }
        }
    }
}

// a sampled request reuses the state of an earlier one.
#[test]
fn the_state_of_an_earlier_request_does_not_change_a_later_one() {
    let exemplars = Exemplars::of_sampled();
    let layer = HttpMetricsLayer::builder(FixedEndpoint("/x")).build(&exemplars).unwrap();
    let mut service = layer.layer(service_fn(|request: TestRequest| {
        let body = Full::new(&b"\x80\x00\x00\x00\x0fgrpc-status:5\r\n"[..]);
        let mut response = Response::new(body);
        if request.method() == Method::POST {
            let content_type = HeaderValue::from_static("application/grpc-web");
            response.headers_mut().insert("content-type", content_type);
        }
        ready(Ok::<_, Infallible>(response))
    }));
    for id in 1..5 {
        let is_call = id % 2 == 1;
        let mut request = request();
        if is_call {
            *request.method_mut() = Method::POST;
            request.headers_mut().insert("content-type", "application/grpc-web".parse().unwrap());
        }
        in_span(span(id, true), || End::Complete.send(&mut service, request));
        let measured = exemplars.take();
        assert_eq!(measured.len(), if is_call { 3 } else { 2 }, "{measured:?}");
        for made in measured {
            assert_eq!(made.of, of(id));
            let is_counter = made.instrument != "http_request_duration";
            let has_status = made.labels.contains("grpc_status=NOT_FOUND");
            assert_eq!(has_status, is_call && is_counter, "{made:?}");
        }
    }
}
