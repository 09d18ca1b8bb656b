//! However a request ends, all its measurements belong to the span in which it arrived.

use crate::meter::{Exemplars, Of};
use crate::requests::{End, SOMEBODY_ELSES, in_span, of, request, span};
use opentelemetry::trace::SpanContext;
use tower::{Layer, service_fn};
use tower_asdlc_metrics::{Conventions, FixedEndpoint, HttpClientMetricsLayer, HttpMetricsLayer};

const CONVENTIONS: [Conventions; 3] =
    [Conventions::Prometheus, Conventions::OpenTelemetry, Conventions::Both];

#[derive(Clone, Copy, Debug)]
struct Case {
    conventions: Conventions,
    is_client: bool,
    /// The first collection starts the buffering.
    is_collected: bool,
    /// All metrics, and not only those that are on by default.
    has_all: bool,
    end: End,
}

fn measured(exemplars: &Exemplars, case: Case, arrives_in: SpanContext) -> Vec<(String, Of)> {
    let Case { conventions, is_client, is_collected, has_all, end } = case;
    let collect = || {
        if is_collected {
            exemplars.collect();
        }
    };
    let inner = service_fn(move |request| end.respond(request));
    if is_client {
        let mut builder = HttpClientMetricsLayer::builder().with_conventions(conventions);
        if has_all {
            builder = builder.with_body_sizes().with_time_to_headers();
        }
        let layer = builder.build(exemplars).unwrap();
        collect();
        let mut service = layer.layer(layer.request_body_layer().layer(inner));
        in_span(arrives_in, || end.send(&mut service, request()));
    } else {
        let mut builder =
            HttpMetricsLayer::builder(FixedEndpoint("/x")).with_conventions(conventions);
        if has_all {
            builder = builder.with_body_sizes().with_time_to_headers();
        }
        let layer = builder.build(exemplars).unwrap();
        collect();
        let mut service = layer.layer(layer.request_body_layer().layer(inner));
        in_span(arrives_in, || end.send(&mut service, request()));
    }
    // A scrape that is sampled itself.
    in_span(span(SOMEBODY_ELSES, true), || exemplars.take_spans())
}

/// The instruments that measure a request that ends like this, in order, and each once.
fn instruments(case: Case) -> Vec<String> {
    let Case { conventions, is_client, has_all, end, .. } = case;
    let (has_prometheus, has_semantic) =
        (conventions != Conventions::OpenTelemetry, conventions != Conventions::Prometheus);
    let (prefix, side) = if is_client { ("http_client", "client") } else { ("http", "server") };
    let mut names = Vec::new();
    if has_prometheus {
        names.push(format!("{prefix}_requests"));
        names.push(format!("{prefix}_request_duration"));
        names.extend(end.has_failed().then(|| format!("{prefix}_requests_failed")));
    }
    if has_semantic {
        names.push(format!("http.{side}.request.duration"));
    }
    if has_all && has_prometheus {
        names.push(format!("{prefix}_response_body_size"));
        names.push(format!("{prefix}_request_body_size"));
    }
    if has_all && has_semantic {
        names.push(format!("http.{side}.response.body.size"));
        names.push(format!("http.{side}.request.body.size"));
    }
    let has_head = has_all && end.has_head();
    names.extend(has_head.then(|| format!("{prefix}_response_headers_duration")));
    names.sort();
    names
}

fn assert_all(exemplars: fn() -> Exemplars, arrives_in: impl Fn() -> SpanContext, expected: Of) {
    for conventions in CONVENTIONS {
        for number in 0..8 {
            let [is_client, is_collected, has_all] = [1, 2, 4].map(|bit| number & bit != 0);
            for end in End::ALL {
                let case = Case { conventions, is_client, is_collected, has_all, end };
                let measured = measured(&exemplars(), case, arrives_in());
                let expected: Vec<_> =
                    instruments(case).into_iter().map(|name| (name, expected)).collect();
                assert_eq!(measured, expected, "{case:?}");
            }
        }
    }
}

//
#[test]
fn a_sampled_request_has_its_own_span_however_it_ends() {
    assert_all(Exemplars::of_sampled, || span(7, true), of(7));
    assert_all(Exemplars::of_all, || span(7, true), of(7));
}

//
#[test]
fn a_request_that_is_not_sampled_has_no_span_however_it_ends() {
    assert_all(Exemplars::of_sampled, || span(7, false), Of::None);
    assert_all(Exemplars::of_sampled, || SpanContext::NONE, Of::None);
}

//
#[test]
fn with_the_filter_always_on_a_request_that_is_not_sampled_has_empty_ids_however_it_ends() {
    assert_all(Exemplars::of_all, || span(7, false), Of::Span(0, 0));
    assert_all(Exemplars::of_all, || SpanContext::NONE, Of::Span(0, 0));
}

//
#[test]
fn a_meter_that_does_not_know_the_question_is_told_no_spans() {
    assert_all(Exemplars::off, || span(7, true), Of::Unsaid);
}

// what is counted and timed is in a batch, which has no span.
#[cfg(feature = "bound")]
#[test]
fn a_sampled_request_has_an_exemplar_with_its_span_in_each_sink_however_it_ends() {
    for conventions in CONVENTIONS {
        for number in 0..8 {
            let [is_client, is_collected, has_all] = [1, 2, 4].map(|bit| number & bit != 0);
            for end in End::ALL {
                let case = Case { conventions, is_client, is_collected, has_all, end };
                let measured = measured(&Exemplars::with_sinks(|_| true), case, span(7, true));
                // With the sizes of bodies, all is measured in the span.
                let in_batch = |name| (name, if has_all { of(7) } else { Of::None });
                let in_sink = |name| (format!("sink of {name}"), of(7));
                let mut expected: Vec<_> = instruments(case).into_iter().map(in_batch).collect();
                if !has_all {
                    expected.extend(instruments(case).into_iter().map(in_sink));
                }
                expected.sort();
                assert_eq!(measured, expected, "{case:?}");
            }
        }
    }
}
