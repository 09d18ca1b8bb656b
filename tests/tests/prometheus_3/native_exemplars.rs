//! Which exemplars of native histograms Prometheus stores, as `docs/scrape-config.md` says.

use std::collections::BTreeSet;

use asdlc_exporter::Exporter;
use asdlc_tests::in_process::Server;
use asdlc_tests::servers::{Generation, Prometheus, PrometheusBuilder, QueryApi};
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceFlags, TraceState};
use opentelemetry::{Context, KeyValue, SpanId, TraceId};

// X-12 X-15
#[test]
fn prometheus_2_stores_one_exemplar_of_each_series_that_of_its_lowest_bucket() {
    let (server, _) = program();
    let lowest = (0..VALUES.len()).min_by(|a, b| VALUES[*a].total_cmp(&VALUES[*b]));
    let lowest = lowest.expect("there are values");
    let expected = SERIES.map(|series| exemplar("wait_seconds", series, lowest));
    assert_eq!(stored(&native(Generation::Stable), &server), expected.into());
}

// X-12 X-15
#[test]
fn prometheus_3_stores_the_exemplars_of_the_first_series_of_a_native_histogram_only() {
    let (server, exporter) = program();
    let text = exporter.render().expect("it renders");
    let first = text.lines().find_map(|line| line.strip_prefix("wait_seconds_bucket{"));
    let first = SERIES
        .into_iter()
        .find(|series| first.is_some_and(|labels| labels.contains(&format!("at=\"{series}\""))));
    let first = first.expect("there is a series");
    let expected = (0..VALUES.len()).map(|at| exemplar("wait_seconds", first, at)).collect();
    assert_eq!(stored(&native(Generation::New), &server), expected);
}

// X-12 X-15
#[test]
fn prometheus_3_stores_the_exemplars_of_all_series_if_it_stores_classic_histograms_too() {
    let (server, _) = program();
    let expected = ["wait_seconds", "wait_seconds_bucket"].into_iter().flat_map(|name| {
        let of_series = move |series| (0..VALUES.len()).map(move |at| exemplar(name, series, at));
        SERIES.into_iter().flat_map(of_series)
    });
    let stored = stored(&native(Generation::New).with_classic_histograms(), &server);
    assert_eq!(stored, expected.collect());
}

fn native(generation: Generation) -> PrometheusBuilder {
    Prometheus::builder(generation).with_native_histograms().with_exemplars()
}

/// An exemplar: the name and the label `at` of its series, and its trace.
type Stored = BTreeSet<(String, String, String)>;

fn exemplar(name: &str, series: &str, at: usize) -> (String, String, String) {
    (name.to_owned(), series.to_owned(), trace(series, at).to_string())
}

/// The exemplars that it has stored after some scrapes.
fn stored(builder: &PrometheusBuilder, server: &Server) -> Stored {
    let prometheus = builder.scraping(server.address());
    // More scrapes change nothing: the same exemplars are served again.
    let has_scraped = || prometheus.query("count_over_time(up[5m])") >= Some(5.0);
    assert!(eventually(DEADLINE, has_scraped), "it does not scrape");
    let histograms = prometheus.native_histograms("wait_seconds");
    assert_eq!(histograms.len(), SERIES.len(), "{histograms:?}");
    let all = prometheus.exemplars("{__name__=~\"wait_seconds.*\"}");
    all.into_iter()
        .map(|it| {
            let label = |key: &str| it.series.get(key).cloned().unwrap_or_default();
            (label("__name__"), label("at"), it.labels["trace_id"].clone())
        })
        .collect()
}

/// A program with a native histogram of several series. Each has an exemplar in each of its buckets.
fn program() -> (Server, Exporter) {
    let builder = Exporter::builder("shop").with_native_histograms(["wait_seconds"]);
    let exporter = builder.with_exemplars().build().expect("the settings are valid");
    let wait = exporter.meter().f64_histogram("wait").with_unit("s").build();
    for series in SERIES {
        for (at, value) in VALUES.into_iter().enumerate() {
            let ids = (trace(series, at), SpanId::from(1));
            let span = SpanContext::new(ids.0, ids.1, TraceFlags::SAMPLED, false, TraceState::NONE);
            let _guard = Context::new().with_remote_span_context(span).attach();
            wait.record(value, &[KeyValue::new("at", series)]);
        }
    }
    let metrics = Router::new().route_service("/metrics", exporter.scrape_service());
    (Server::axum(metrics), exporter)
}

fn trace(series: &str, at: usize) -> TraceId {
    let number = 10 * SERIES.iter().position(|it| *it == series).expect("a series") + at;
    TraceId::from(number as u128 + 1)
}

const SERIES: [&str; 3] = ["a", "b", "c"];
/// In the order of time.
const VALUES: [f64; 3] = [1.5, 0.25, 7.0];
