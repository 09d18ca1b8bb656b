//! Names in UTF-8, and their escaped forms, of whatever is recorded.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use asdlc_exporter::{Format, TranslationStrategy};
use asdlc_tests::exposition::Exposition;
use asdlc_tests::servers::{Generation, Parsed, PythonParsers};

use super::generated_scopes::{ServedSetup, served_setups};
use super::scrapers::Bodies;

/// Text and `OpenMetrics` of each setup, with both strategies.
struct Texts {
    utf8: Vec<[String; 2]>,
    escaped: Vec<[String; 2]>,
}

/// Served once for all tests of this file.
static TEXTS: LazyLock<Texts> = LazyLock::new(|| {
    let setups = served_setups(SETUPS);
    let all = |formats: [Format; 2]| {
        let both = |ServedSetup { setup, .. }: &ServedSetup| {
            [TranslationStrategy::NoUTF8EscapingWithSuffixes, TranslationStrategy::NoTranslation]
                .map(|strategy| setup.rendered(strategy, formats))
        };
        setups.iter().flat_map(both).collect()
    };
    Texts {
        utf8: all([Format::Utf8Text, Format::Utf8OpenMetrics]),
        escaped: all([Format::Text, Format::OpenMetrics]),
    }
});

//
#[test]
fn the_checker_reads_names_in_utf8_and_the_escaped_ones_have_the_same_values() {
    for ([text, _], [escaped, _]) in TEXTS.utf8.iter().zip(&TEXTS.escaped) {
        let [utf8, escaped] = [text, escaped].map(|text| {
            Exposition::parse_unconventional(text.as_bytes())
                .unwrap_or_else(|violations| panic!("{violations:#?}\n{text:.10000}"))
        });
        assert_eq!(utf8.families().len(), escaped.families().len());
        let values = |exposition: &Exposition| -> Vec<_> {
            exposition.all_samples().iter().map(|sample| sample.value.to_bits()).collect()
        };
        assert_eq!(values(&utf8), values(&escaped));
        let names = |exposition: &Exposition| -> Vec<_> {
            exposition.all_samples().iter().map(|sample| sample.name.clone()).collect()
        };
        assert_ne!(names(&utf8), names(&escaped), "no name needs quotes");
    }
}

//
#[test]
fn python_reads_names_in_utf8() {
    let mut python = PythonParsers::start();
    for [text, open_metrics] in &TEXTS.utf8 {
        let ours = Exposition::parse_unconventional(text.as_bytes()).expect("it is valid");
        let read = python.text(text).unwrap_or_else(|error| panic!("{error}\n{text:.10000}"));
        let expected: Vec<_> = ours.all_samples().iter().map(|sample| &sample.labels).collect();
        let labels = |parsed: &Parsed| parsed.labels.clone();
        let sorted = |mut all: Vec<BTreeMap<String, String>>| {
            all.sort();
            all
        };
        let expected = expected.into_iter().map(|labels| labels.iter().cloned().collect());
        assert_eq!(sorted(read.iter().map(labels).collect()), sorted(expected.collect()));
        let read = python.open_metrics(open_metrics);
        let read = read.unwrap_or_else(|error| panic!("{error}\n{open_metrics:.10000}"));
        assert!(!read.is_empty());
    }
}

//
#[test]
fn prometheus_3_stores_every_sample_with_names_in_utf8() {
    let types = [
        "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    ];
    let bodies = Bodies::serve_as(types, TEXTS.utf8.iter().cloned());
    bodies.assert_prometheus_of_reads_all(Generation::New);
}

//
#[test]
fn older_scrapers_store_every_sample_with_escaped_names() {
    let bodies = Bodies::serve(TEXTS.escaped.iter().cloned());
    bodies.assert_prometheus_reads_all();
    bodies.assert_victoria_metrics_reads_all();
}

const SETUPS: u32 = 4;
