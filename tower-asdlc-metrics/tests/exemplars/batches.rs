//! Requests without a span are buffered, and flushed later: at the end of another request, or at a scrape.

use crate::meter::{Exemplars, Of};
use crate::requests::{End, SOMEBODY_ELSES, in_span, of, request, span};
use opentelemetry::trace::SpanContext;
use std::collections::BTreeMap;
use tower::{Layer, service_fn};
use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};

/// More than a batch buffers.
const REQUESTS: u64 = 100;

fn counts(exemplars: &Exemplars) -> BTreeMap<(String, Of), f64> {
    let mut counts = BTreeMap::new();
    for made in exemplars.take() {
        let is_count = made.instrument == "http_requests";
        let count = if is_count { made.value } else { 1.0 };
        *counts.entry((made.instrument, made.of)).or_insert(0.0) += count;
    }
    counts
}

//
#[test]
fn a_flush_belongs_to_no_span_and_loses_nothing() {
    for (exemplars, unsampled) in
        [(Exemplars::of_sampled(), Of::None), (Exemplars::of_all(), Of::Span(0, 0))]
    {
        let layer = HttpMetricsLayer::builder(FixedEndpoint("/x")).build(&exemplars).unwrap();
        let mut service = layer.layer(service_fn(|request| End::Complete.respond(request)));
        // The first round is before the first collection. Without a batch, each request is recorded at once.
        for round in 0..3 {
            in_span(span(SOMEBODY_ELSES, true), || {
                for id in 1..=REQUESTS {
                    let context = if id % 10 == 0 { span(id, true) } else { SpanContext::NONE };
                    in_span(context, || End::Complete.send(&mut service, request()));
                }
                let mut expected = BTreeMap::new();
                for instrument in ["http_requests", "http_request_duration"] {
                    let key = |of| (instrument.to_owned(), of);
                    expected.extend((1..=REQUESTS / 10).map(|id| (key(of(10 * id)), 1.0)));
                    expected.insert(key(unsampled), 0.9 * REQUESTS as f64);
                }
                assert_eq!(counts(&exemplars), expected, "round {round}");
            });
        }
    }
}

// an unsampled request costs no more calls of the SDK than without exemplars.
#[test]
fn requests_that_are_not_sampled_share_a_flush() {
    let exemplars = Exemplars::of_sampled();
    let layer = HttpMetricsLayer::builder(FixedEndpoint("/x")).build(&exemplars).unwrap();
    let mut service = layer.layer(service_fn(|request| End::Complete.respond(request)));
    exemplars.collect();
    in_span(span(1, false), || {
        (0..REQUESTS).for_each(|_| End::Complete.send(&mut service, request()));
    });
    let counted: Vec<_> = exemplars
        .take()
        .into_iter()
        .filter(|made| made.instrument == "http_requests")
        .map(|made| made.value)
        .collect();
    assert_eq!(counted, [16.0, 16.0, 16.0, 16.0, 16.0, 16.0, 4.0]);
}

/// What a hundred requests in the spans 1 to 100 measure: the calls of the counter with their values, and the spans of the exemplars.
#[cfg(feature = "bound")]
fn measure_sampled(exemplars: &Exemplars) -> (Vec<f64>, Vec<Of>) {
    let layer = HttpMetricsLayer::builder(FixedEndpoint("/x")).build(exemplars).unwrap();
    let mut service = layer.layer(service_fn(|request| End::Complete.respond(request)));
    exemplars.collect();
    for id in 1..=REQUESTS {
        in_span(span(id, true), || End::Complete.send(&mut service, request()));
    }
    let measured = exemplars.take();
    let of = |name: &'static str| measured.iter().filter(move |made| made.instrument == name);
    let in_sinks = of("sink of http_requests").inspect(|made| assert_eq!(made.value, 1.0));
    let (in_sinks, durations) = (in_sinks.map(|made| made.of), of("sink of http_request_duration"));
    let in_sinks: Vec<_> = in_sinks.collect();
    assert!(durations.map(|made| made.of).eq(in_sinks.iter().copied()));
    (of("http_requests").map(|made| made.value).collect(), in_sinks)
}

// a sampled request calls the SDK as rarely as another one.
#[cfg(feature = "bound")]
#[test]
fn sampled_requests_share_a_flush_and_have_their_own_exemplars() {
    let (counted, in_sinks) = measure_sampled(&Exemplars::with_sinks(|_| true));
    assert_eq!(counted, [16.0, 16.0, 16.0, 16.0, 16.0, 16.0, 4.0]);
    assert_eq!(in_sinks, (1..=REQUESTS).map(of).collect::<Vec<_>>());
}

// a batch would lose the span.
#[cfg(feature = "bound")]
#[test]
fn a_request_is_measured_in_its_span_if_one_of_its_series_has_no_sink() {
    let only_requests: fn(&str) -> bool = |name| name == "http_requests";
    for has_sink in [only_requests, |name| name != "http_requests"] {
        let (counted, in_sinks) = measure_sampled(&Exemplars::with_sinks(has_sink));
        assert_eq!((counted, in_sinks), (vec![1.0; REQUESTS as usize], vec![]));
    }
}
