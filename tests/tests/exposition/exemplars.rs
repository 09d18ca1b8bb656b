//! Exemplars among samples, for programs that read or ignore them.

use std::collections::BTreeMap;

use asdlc_exporter::{ExemplarFilter, Exporter, Format};
use asdlc_tests::servers::{Generation, Parsed, PythonParsers};
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceFlags, TraceState};
use opentelemetry::{Context, KeyValue, SpanId, TraceId};

use super::scrapers::{Bodies, exemplar_at_the_end};

// each sample arrives, and nothing else does.
#[test]
fn victoria_metrics_of_both_generations_ignores_exemplars_and_reads_the_samples() {
    let bodies = [ExemplarFilter::TraceBased, ExemplarFilter::AlwaysOn].map(|filter| {
        let exporter = recorded(filter);
        let open_metrics = exporter.render_as(Format::OpenMetrics).expect("it renders");
        let exemplars = open_metrics.lines().filter(|line| exemplar_at_the_end(line).is_some());
        assert_eq!(exemplars.count(), EXEMPLARS, "{open_metrics}");
        [exporter.render().expect("it renders"), open_metrics]
    });
    let bodies = Bodies::serve(bodies);
    for generation in Generation::ALL {
        bodies.assert_victoria_metrics_of_reads_all(generation);
    }
}

//
#[test]
fn python_reads_each_exemplar_beside_its_sample() {
    let exporter = recorded(ExemplarFilter::TraceBased);
    let open_metrics = exporter.render_as(Format::OpenMetrics).expect("it renders");
    let read = PythonParsers::start().open_metrics(&open_metrics);
    let read = read.unwrap_or_else(|error| panic!("{error}\n{open_metrics}"));
    let with_exemplar = |Parsed { name, labels, exemplar, .. }: &Parsed| {
        let exemplar = exemplar.as_ref()?;
        let of = labels["of"].parse::<usize>().ok().filter(|of| *of < ODD.len())?;
        let le = labels.get("le").cloned().unwrap_or_default();
        assert_eq!(labels.get("odd").map_or("", String::as_str), ODD[of], "{name}");
        Some(((name.clone(), of, le), (exemplar.labels.clone(), exemplar.value)))
    };
    let found: BTreeMap<_, _> = read.iter().filter_map(with_exemplar).collect();
    let expected: BTreeMap<_, _> = (0..ODD.len())
        .flat_map(|of| {
            let labels = |at: usize| -> BTreeMap<_, _> {
                let (trace, span) = ids(of, at);
                let ids = [("trace_id", trace.to_string()), ("span_id", span.to_string())];
                ids.map(|(key, id)| (key.to_owned(), id)).into()
            };
            let bucket = |le: &str| ("waits_seconds_bucket".to_owned(), of, le.to_owned());
            [
                (bucket("0.5"), (labels(0), VALUES[0])),
                (bucket("2.0"), (labels(1), VALUES[1])),
                (bucket("+Inf"), (labels(2), VALUES[2])),
                (("orders_total".to_owned(), of, String::new()), (labels(2), VALUES[2])),
            ]
        })
        .collect();
    assert_eq!(found, expected, "{open_metrics}");
}

/// Measurements in sampled spans, with odd label values, and a gauge.
fn recorded(filter: ExemplarFilter) -> Exporter {
    let exporter = Exporter::builder("under-test").with_exemplar_filter(filter).build();
    let exporter = exporter.expect("the settings are valid");
    let meter = exporter.meter();
    let waits = meter.f64_histogram("waits").with_unit("s").with_boundaries(vec![0.5, 2.0]).build();
    let orders = meter.f64_counter("orders").build();
    let load = meter.f64_gauge("load").build();
    let record = || {
        for (of, odd) in ODD.iter().enumerate() {
            let attributes = [KeyValue::new("of", of as i64), KeyValue::new("odd", *odd)];
            for (at, value) in VALUES.into_iter().enumerate() {
                let (trace, span) = ids(of, at);
                let span =
                    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE);
                let _guard = Context::new().with_remote_span_context(span).attach();
                waits.record(value, &attributes);
                orders.add(value, &attributes);
                load.record(value, &attributes);
            }
        }
    };
    record();
    // Now the boundaries are known, and each bucket keeps its newest exemplar.
    exporter.render_as(Format::OpenMetrics).expect("it renders");
    record();
    exporter
}

fn ids(of: usize, at: usize) -> (TraceId, SpanId) {
    let number = (of * VALUES.len() + at + 1) as u64;
    let trace = u128::from(number) << 64 | u128::from(u64::MAX - number);
    (TraceId::from(trace), SpanId::from(number))
}

/// One in each bucket.
const VALUES: [f64; 3] = [0.25, 1.5, 7.0];
/// Three buckets and a counter.
const EXEMPLARS: usize = 4 * ODD.len();
/// Label values, some of which look like exemplars.
const ODD: [&str; 6] =
    ["plain", " # {} 1 2", "} 1 # {trace_id=\"00\"} 1 2", "\\\" # {a=\"b\"} 1\n", "#", "🦀"];
