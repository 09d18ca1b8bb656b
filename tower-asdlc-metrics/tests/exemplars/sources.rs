//! Where the span of a request comes from: the first source that has a valid one decides, sampled or not.

use crate::meter::{Exemplars, Of};
use crate::requests::{End, in_span, of, request, span};
use http::{HeaderValue, Request};
use http_body_util::Empty;
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::thread;
use tower::{Layer, Service, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpClientMetricsLayer, HttpMetricsLayer};

/// What a source has.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Nothing,
    Invalid,
    NotSampled,
    Sampled,
}

const SOURCES: [Source; 4] =
    [Source::Nothing, Source::Invalid, Source::NotSampled, Source::Sampled];

impl Source {
    /// The span of the source with this number.
    fn span(self, number: u64) -> Option<SpanContext> {
        match self {
            Self::Nothing => None,
            // A trace id alone is not valid.
            Self::Invalid => Some(SpanContext::new(
                TraceId::from(u128::from(number)),
                SpanId::INVALID,
                TraceFlags::SAMPLED,
                true,
                TraceState::NONE,
            )),
            Self::NotSampled => Some(span(number, false)),
            Self::Sampled => Some(span(number, true)),
        }
    }
}

fn traceparent(span: &SpanContext) -> HeaderValue {
    let (trace, id, flags) = (span.trace_id(), span.span_id(), span.trace_flags().to_u8());
    format!("00-{trace}-{id}-{flags:02x}").parse().unwrap()
}

fn server(exemplars: &Exemplars) -> HttpMetricsLayer {
    HttpMetricsLayer::builder(FixedEndpoint("/x")).build(exemplars).unwrap()
}

fn client(exemplars: &Exemplars) -> HttpClientMetricsLayer {
    HttpClientMetricsLayer::builder().build(exemplars).unwrap()
}

type TestRequest = Request<Empty<&'static [u8]>>;

/// Sends the request, and returns what its measurements belong to.
#[track_caller]
fn measured<S, B>(exemplars: &Exemplars, service: &mut S, request: TestRequest) -> Of
where
    S: Service<TestRequest, Response = http::Response<B>>,
    B: http_body::Body,
{
    End::Complete.send(service, request);
    let spans: BTreeSet<_> = exemplars.take_spans().into_iter().map(|(_, of)| of).collect();
    assert_eq!(spans.len(), 1, "{spans:?}");
    spans.into_iter().next().unwrap()
}

// all combinations of the four sources, for both sides.
#[test]
fn the_first_valid_span_decides_whether_it_is_sampled_or_not() {
    let exemplars = Exemplars::of_sampled();
    let inner = || service_fn(|request: TestRequest| End::Complete.respond(request));
    let (mut server, mut client) =
        (server(&exemplars).layer(inner()), client(&exemplars).layer(inner()));
    for number in 0..SOURCES.len().pow(4) {
        let sources = [0, 1, 2, 3].map(|place| SOURCES[number >> (2 * place) & 3]);
        let [current, extension, context, header] =
            [0, 1, 2, 3].map(|at| sources[at].span(at as u64 + 1));
        let deciding = (1..)
            .zip(sources)
            .find(|(_, source)| matches!(source, Source::NotSampled | Source::Sampled));
        let expected = match deciding {
            Some((number, Source::Sampled)) => of(number),
            _ => Of::None,
        };
        let arrives = || {
            let mut request = request();
            if let Some(span) = &extension {
                request.extensions_mut().insert(span.clone());
            }
            if let Some(span) = &context {
                let context = Context::new().with_remote_span_context(span.clone());
                request.extensions_mut().insert(context);
            }
            if let Some(span) = &header {
                request.headers_mut().insert("traceparent", traceparent(span));
            }
            request
        };
        let current = || current.clone().unwrap_or(SpanContext::NONE);
        let at_server = in_span(current(), || measured(&exemplars, &mut server, arrives()));
        assert_eq!(at_server, expected, "server: {sources:?}");
        let at_client = in_span(current(), || measured(&exemplars, &mut client, arrives()));
        assert_eq!(at_client, expected, "client: {sources:?}");
    }
}

//
#[test]
fn several_headers_name_no_span() {
    let exemplars = Exemplars::of_sampled();
    let mut service =
        server(&exemplars).layer(service_fn(|request: TestRequest| End::Complete.respond(request)));
    for (headers, expected) in [(0, Of::None), (1, of(3)), (2, Of::None), (3, Of::None)] {
        // How many values other headers have, before and after it.
        for others in 0..3 {
            let mut request = request();
            let append_others = |request: &mut TestRequest, names: [&'static str; 2]| {
                for name in names {
                    for number in 0..others {
                        let value = traceparent(&span(10 + number, true));
                        request.headers_mut().append(name, value);
                    }
                }
            };
            append_others(&mut request, ["accept", "x-traceparent"]);
            for _ in 0..headers {
                request.headers_mut().append("traceparent", traceparent(&span(3, true)));
            }
            append_others(&mut request, ["tracestate", "traceparents"]);
            let case = (headers, others);
            assert_eq!(measured(&exemplars, &mut service, request), expected, "{case:?}");
        }
    }
}

//
#[test]
fn the_span_is_that_of_the_arrival_and_not_that_of_the_handler() {
    let exemplars = Exemplars::of_sampled();
    for (arrives_in, expected) in [(span(1, true), of(1)), (span(1, false), Of::None)] {
        let mut service = server(&exemplars).layer(service_fn(|mut request: TestRequest| {
            request.extensions_mut().insert(span(2, true));
            let response = End::Complete.respond(request);
            async move {
                let _guard = Context::new().with_remote_span_context(span(2, true)).attach();
                response.await
            }
        }));
        let of = in_span(arrives_in, || measured(&exemplars, &mut service, request()));
        assert_eq!(of, expected);
    }
}

//
#[test]
fn an_open_request_keeps_no_context() {
    let exemplars = Exemplars::of_sampled();
    let held = Arc::new(());
    let pending = service_fn(|request: TestRequest| End::Cancelled.respond(request));
    let mut service = server(&exemplars).layer(pending);
    let context = Context::new().with_remote_span_context(span(1, true));
    let context = context.with_value(Arc::clone(&held));
    let guard = context.clone().attach();
    let mut request = request();
    request.extensions_mut().insert(context);
    let future = service.call(request);
    drop(guard);
    // The future that holds the request is inside of ours.
    assert_eq!(Arc::strong_count(&held), 2);
    drop(future);
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(exemplars.take_spans().iter().all(|(_, measured)| *measured == of(1)));
}

// thread-local variables are dropped when the thread ends, the context of OpenTelemetry before the service.
#[test]
fn a_request_that_arrives_while_its_thread_ends_is_recorded() {
    struct RunsWhenDropped(Box<dyn FnMut()>);
    impl Drop for RunsWhenDropped {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    thread_local! {
        static HELD: RefCell<Option<RunsWhenDropped>> = const { RefCell::new(None) };
    }
    let exemplars = Exemplars::of_sampled();
    let service = service_fn(|request: TestRequest| End::Complete.respond(request));
    let mut service = server(&exemplars).layer(service);
    thread::spawn(|| {
        HELD.set(Some(RunsWhenDropped(Box::new(move || {
            assert!(catch_unwind(Context::current).is_err());
            let mut request = request();
            request.extensions_mut().insert(span(1, true));
            // Not `End::send`, which attaches a context.
            drop(service.call(request));
        }))));
        in_span(span(2, true), || ());
    })
    .join()
    .unwrap();
    let measured = exemplars.take_spans();
    assert_eq!(measured.len(), 3, "{measured:?}");
    assert!(measured.iter().all(|(_, of)| *of == Of::None), "{measured:?}");
}

// two layers around one service, each with exemplars of its own.
#[test]
fn layers_with_different_meters_take_the_same_span() {
    let [outer, inner] = [(); 2].map(|()| Exemplars::of_sampled());
    let off = Exemplars::off();
    let service = service_fn(|request: TestRequest| End::Complete.respond(request));
    let service = server(&inner).layer(service);
    let mut service = server(&outer).layer(server(&off).layer(service));
    in_span(span(5, true), || End::Complete.send(&mut service, request()));
    for (exemplars, expected) in [(&outer, of(5)), (&inner, of(5)), (&off, Of::Unsaid)] {
        let expected = ["http_request_duration", "http_requests"]
            .map(|instrument| (instrument.to_owned(), expected));
        assert_eq!(exemplars.take_spans(), expected);
    }
}

proptest! {
    //
    #[test]
    fn headers_that_are_no_trace_context_add_neither_a_span_nor_a_series(
        values in prop::collection::vec(
            prop_oneof![
                "[ -~]{0,80}",
                "0[0-9]-[0-9a-f]{30,34}-[0-9a-f]{15,17}-[0-9a-f]{1,3}",
                "00-0{32}-[0-9a-f]{16}-01",
                "ff-[0-9a-f]{32}-[0-9a-f]{16}-01",
                "00-[0-9A-F]{32}-[0-9a-f]{16}-01",
            ],
            0..4,
        ),
        name in prop_oneof![
            Just("traceparent"), Just("tracestate"), Just("baggage"), Just("b3"),
        ],
    ) {
        let exemplars = Exemplars::of_sampled();
        let mut service = server(&exemplars)
            .layer(service_fn(|request: TestRequest| End::Complete.respond(request)));
        let mut request = request();
        for value in &values {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        End::Complete.send(&mut service, request);
        let measured = exemplars.take();
        let series: Vec<_> =
            measured.iter().map(|made| (made.instrument.as_str(), made.labels.as_str())).collect();
        prop_assert_eq!(series, [
            ("http_requests", "endpoint=/x,method=GET,status=200"),
            ("http_request_duration", "endpoint=/x,method=GET"),
        ]);
        // What the regular expressions generate may be valid.
        let is_valid = |value: &String| {
            let parts: Vec<_> = value.split('-').collect();
            let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
            lengths == [2, 32, 16, 2] && value == &value.to_lowercase()
        };
        let may_be_valid = name == "traceparent" && values.len() == 1 && is_valid(&values[0]);
        for made in measured {
            prop_assert!(made.of == Of::None || may_be_valid, "{:?} of {:?}", made, values);
        }
    }
}
