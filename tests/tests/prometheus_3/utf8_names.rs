//! Prometheus stores names in UTF-8 as it requests them.

use std::collections::BTreeMap;

use asdlc_exporter::{Exporter, TranslationStrategy};
use asdlc_tests::in_process::Server;
use asdlc_tests::servers::{Generation, Prometheus, PrometheusBuilder, QueryApi, Target};
use asdlc_tests::wait::{DEADLINE, eventually};
use axum::Router;
use opentelemetry::KeyValue;

//
#[test]
fn prometheus_3_stores_names_in_utf8() {
    let builder = Prometheus::builder(Generation::New);
    assert_stored(&builder, "http.requests_total", "http.route");
    let text = builder.with_protocols(&["PrometheusText1.0.0"]);
    assert_stored(&text, "http.requests_total", "http.route");
}

//
#[test]
fn prometheus_3_stores_names_as_its_configuration_escapes_them() {
    for (escaping, name, label) in [
        ("underscores", "http_requests_total", "http_route"),
        ("dots", "http_dot_requests__total", "http_dot_route"),
        ("values", "U__http_2e_requests__total", "U__http_2e_route"),
    ] {
        let builder = Prometheus::builder(Generation::New).with_name_escaping(escaping);
        assert_stored(&builder, name, label);
    }
}

//
#[test]
fn prometheus_3_stores_names_from_protobuf_with_underscores() {
    // It requests no escaping for protobuf.
    let builder = Prometheus::builder(Generation::New).with_protocols(&["PrometheusProto"]);
    assert_stored(&builder, "http_requests_total", "http_route");
}

//
#[test]
fn prometheus_2_stores_names_with_underscores() {
    let builder = Prometheus::builder(Generation::Stable);
    assert_stored(&builder, "http_requests_total", "http_route");
    let protobuf = builder.with_native_histograms();
    assert_stored(&protobuf, "http_requests_total", "http_route");
}

/// Checks that the counter `http.requests` with the attribute `http.route` is stored with this name and
/// label.
#[track_caller]
fn assert_stored(builder: &PrometheusBuilder, name: &str, label: &str) {
    let exporter = Exporter::builder("under-test")
        .with_translation_strategy(TranslationStrategy::NoUTF8EscapingWithSuffixes)
        .build()
        .expect("the settings are valid");
    let requests = exporter.meter().u64_counter("http.requests").build();
    requests.add(5, &[KeyValue::new("http.route", "/x")]);
    let router = Router::new().route_service("/metrics", exporter.scrape_service());
    let program = Server::axum(router);
    let prometheus = builder.scraping(program.address());
    assert_eq!(prometheus.target(), Target::up());
    let matcher = "{__name__=~\".*requests.*\",service=\"under-test\"}";
    let stored = || prometheus.stored_series(matcher);
    assert!(eventually(DEADLINE, || !stored().is_empty()), "nothing is stored");
    let own = ["instance", "job"];
    let all: Vec<BTreeMap<_, _>> = stored()
        .into_iter()
        .map(|labels| labels.into_iter().filter(|(key, _)| !own.contains(&key.as_str())).collect())
        .collect();
    let expected = [("__name__", name), (label, "/x"), ("service", "under-test")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(all, [BTreeMap::from(expected)]);
    let query = format!("{{__name__=\"{name}\"}}");
    assert_eq!(prometheus.query_until(&query, 5.0), Some(5.0), "{query}");
}
