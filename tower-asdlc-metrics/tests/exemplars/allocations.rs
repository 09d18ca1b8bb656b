//! Exemplars cost no allocation.

use crate::meter::Exemplars;
use crate::requests::{End, in_span, request, span};
use allocation_counter::measure;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::Empty;
use opentelemetry::trace::SpanContext;
use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tower::{Layer, Service, service_fn};
use tower_asdlc_metrics::{Conventions, FixedEndpoint, HttpMetricsLayer};

type TestRequest = Request<Empty<&'static [u8]>>;

/// How many requests are open at once.
const OPEN: usize = 40;
const ROUNDS: usize = 20;

fn layer(exemplars: &Exemplars) -> HttpMetricsLayer {
    let layer = HttpMetricsLayer::builder(FixedEndpoint("/x")).with_conventions(Conventions::Both);
    layer.with_time_to_headers().build(exemplars).unwrap()
}

fn respond(
    _: TestRequest,
) -> impl Future<Output = Result<Response<Empty<&'static [u8]>>, Infallible>> {
    ready(Ok(Response::new(Empty::new())))
}

/// The allocations of the layer for some rounds of requests that are open at the same time, after a first round.
fn allocations(layer: &HttpMetricsLayer, arrives_in: &SpanContext, header: Option<&str>) -> u64 {
    let count = |layer: Option<&HttpMetricsLayer>| {
        let name = HeaderName::from_static("traceparent");
        let value = header.map(|header| HeaderValue::from_str(header).unwrap());
        let request = || {
            let mut request = request();
            if let Some(value) = &value {
                request.headers_mut().insert(name.clone(), value.clone());
            }
            request
        };
        let mut futures = Vec::with_capacity(OPEN);
        let mut round = || match layer {
            Some(layer) => {
                let mut service = layer.layer(service_fn(respond));
                in_span(arrives_in.clone(), || {
                    futures.extend((0..OPEN).map(|_| service.call(request())));
                });
                futures.drain(..).for_each(end);
            }
            None => {
                in_span(arrives_in.clone(), || (0..OPEN).for_each(|_| end(respond(request()))));
            }
        };
        round();
        measure(|| (0..ROUNDS).for_each(|_| round())).count_total
    };
    count(Some(layer)) - count(None)
}

fn end(future: impl Future<Output = Result<impl Sized, Infallible>>) {
    let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Ok(_))));
}

// X-15 X-02
#[test]
fn a_request_allocates_nothing_whether_it_is_sampled_or_not() {
    let exemplars = Exemplars::silent();
    let layer = layer(&exemplars);
    for round in 1..=2 {
        for context in [span(1, true), span(1, false), SpanContext::NONE] {
            let allocations = allocations(&layer, &context, None);
            assert_eq!(allocations, 0, "{context:?}, round {round}");
        }
        // From now on, requests without a span are buffered.
        exemplars.collect();
    }
}

// X-15 X-03
#[test]
fn no_header_costs_an_allocation() {
    let exemplars = Exemplars::silent();
    let layer = layer(&exemplars);
    let long = "a".repeat(10_000);
    let future = format!("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-{long}");
    for header in [
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        "00-00000000000000000000000000000000-0000000000000000-01",
        "",
        &long,
        &future,
    ] {
        assert_eq!(allocations(&layer, &SpanContext::NONE, Some(header)), 0, "{header}");
    }
}

// a burst of sampled requests leaves no more than a few boxes.
#[test]
fn a_burst_of_sampled_requests_leaves_little_memory() {
    let exemplars = Exemplars::silent();
    let mut service = layer(&exemplars).layer(service_fn(respond));
    // The series, and some boxes.
    in_span(span(1, true), || End::Complete.send(&mut service, request()));
    let burst = measure(|| {
        let futures: Vec<_> =
            in_span(span(1, true), || (0..10_000).map(|_| service.call(request())).collect());
        futures.into_iter().for_each(end);
    });
    assert!(burst.bytes_max > 1_000_000, "{burst:?}");
    assert!(burst.bytes_current < 20_000, "{burst:?}");
}
