//! Whatever is recorded and requested, the response is valid, says what it is, and has every series once.
//!
//! `.ci/weekly fuzz` runs it. A failure leaves its input in `tests/fuzz/artifacts`; to run it again:
//! `cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none exposition tests/fuzz/artifacts/exposition/crash-…`.

#![no_main]

#[path = "../../../asdlc-exporter/tests/suite/check.rs"]
#[expect(dead_code, reason = "some checkers are only for classic names")]
mod check;
#[path = "../../../asdlc-exporter/tests/suite/check_open.rs"]
mod check_open;
#[path = "../../../asdlc-exporter/tests/suite/same_series.rs"]
mod same_series;

use arbitrary::Arbitrary;
use asdlc_exporter::{PrometheusReader, TranslationStrategy};
use check::{Sample, check_utf8};
use check_open::check_open;
use http::{HeaderValue, Request};
use http_body_util::BodyExt as _;
use libfuzzer_sys::fuzz_target;
use opentelemetry::{InstrumentationScope, KeyValue, metrics::MeterProvider as _};
use opentelemetry_sdk::{
    Resource,
    metrics::{Instrument, SdkMeterProvider, Stream},
};
use same_series::{Forms, assert_same_series};
use tower::ServiceExt as _;

#[derive(Arbitrary, Debug)]
struct Input {
    strategy: Strategy,
    accept: String,
    scope: (String, Vec<(String, String)>),
    resource: Vec<(String, String)>,
    label: String,
    records: Vec<Record>,
}

#[derive(Arbitrary, Debug)]
enum Strategy {
    UnderscoreEscapingWithSuffixes,
    UnderscoreEscapingWithoutSuffixes,
    NoUTF8EscapingWithSuffixes,
    NoTranslation,
}

#[derive(Arbitrary, Debug)]
struct Record {
    kind: Kind,
    name: Vec<u8>,
    unit: Vec<u8>,
    help: String,
    attributes: Vec<(String, String)>,
    value: f64,
}

#[derive(Arbitrary, Debug)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

fuzz_target!(|input: Input| {
    let strategy = match input.strategy {
        Strategy::UnderscoreEscapingWithSuffixes => {
            TranslationStrategy::UnderscoreEscapingWithSuffixes
        }
        Strategy::UnderscoreEscapingWithoutSuffixes => {
            TranslationStrategy::UnderscoreEscapingWithoutSuffixes
        }
        Strategy::NoUTF8EscapingWithSuffixes => TranslationStrategy::NoUTF8EscapingWithSuffixes,
        Strategy::NoTranslation => TranslationStrategy::NoTranslation,
    };
    let reader = reader(strategy, &input.label);
    let resource = Resource::builder_empty().with_attributes(key_values(&input.resource));
    // The SDK allocates the series of each instrument in advance.
    let few = |_: &Instrument| Stream::builder().with_cardinality_limit(100).build().ok();
    let provider = SdkMeterProvider::builder()
        .with_resource(resource.build())
        .with_view(few)
        .with_reader(reader.clone())
        .build();
    provider.meter("anchor").u64_gauge("an.chor").build().record(1, &[KeyValue::new("a.b", 1)]);
    record(&provider, &input);

    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let scrape = |accept: &str| runtime.block_on(scrape(&reader, accept));
    if let Some((content_type, body)) = scrape(&input.accept) {
        check_response(&content_type, &body);
    }
    for (syntax, check) in [
        ("text/plain;version=1.0.0", check_utf8 as fn(&str) -> Vec<Sample>),
        ("application/openmetrics-text;version=1.0.0", check_open),
    ] {
        let text = |escaping: &str| {
            let accept = format!("{syntax};escaping={escaping}");
            let (content_type, body) = scrape(&accept).expect("a valid header");
            assert!(content_type.ends_with(&format!("; escaping={escaping}")), "{content_type}");
            String::from_utf8(body).expect("UTF-8")
        };
        let utf8 = text("allow-utf-8");
        let samples = check(&utf8);
        for escaping in ["underscores", "dots", "values"] {
            let escaped = text(escaping);
            let read = check(&escaped);
            let mut keys = Forms::default();
            keys.add("le", "le");
            assert_same_series([(&utf8, &samples), (&escaped, &read)], escaping, &mut keys);
        }
    }
});

/// A reader with a label of the resource, if the builder takes it.
fn reader(strategy: TranslationStrategy, label: &String) -> PrometheusReader {
    let builder = || PrometheusReader::builder().with_translation_strategy(strategy);
    let with_label = builder().with_resource_labels([label]).build();
    with_label.unwrap_or_else(|_| builder().build().expect("the settings are valid"))
}

fn record(provider: &SdkMeterProvider, input: &Input) {
    let (scope, attributes) = &input.scope;
    let scope = InstrumentationScope::builder(scope.clone()).with_attributes(key_values(attributes));
    let meter = provider.meter_with_scope(scope.build());
    for Record { kind, name, unit, help, attributes, value } in &input.records {
        // The SDK refuses other characters.
        let of = |bytes: &[u8], characters: &[u8]| -> String {
            bytes.iter().map(|b| char::from(characters[usize::from(*b) % characters.len()])).collect()
        };
        let name = format!("a{}", of(name, b"ab._-/_total_infosumcountbucketcreated10"));
        let unit = of(unit, b"sBy1/{}%\"\\\n. _:x");
        let attributes: Vec<_> = key_values(attributes).collect();
        macro_rules! built {
            ($method:ident) => {
                meter.$method(name).with_unit(unit).with_description(help.clone())
            };
        }
        match kind {
            Kind::Counter => built!(f64_counter).build().add(value.abs(), &attributes),
            Kind::Gauge => built!(f64_gauge).build().record(*value, &attributes),
            Kind::Histogram => {
                let histogram = built!(f64_histogram).with_boundaries(vec![0.5, 1.0]).build();
                histogram.record(*value, &attributes);
            }
        }
    }
}

fn key_values(pairs: &[(String, String)]) -> impl Iterator<Item = KeyValue> {
    pairs.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()))
}

/// The `Content-Type` and the body. `None` if this is no value of a header.
async fn scrape(reader: &PrometheusReader, accept: &str) -> Option<(String, Vec<u8>)> {
    let accept = HeaderValue::from_bytes(accept.as_bytes()).ok()?;
    let request = Request::get("/metrics").header("accept", accept).body(()).expect("a request");
    let Ok(response) = reader.scrape_service().oneshot(request).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    assert_eq!(head.status, 200, "{}", String::from_utf8_lossy(&body));
    let content_type = head.headers["content-type"].to_str().expect("text").to_owned();
    Some((content_type, body.into()))
}

/// Checks that the body is what the header says.
fn check_response(content_type: &str, body: &[u8]) {
    let text = || str::from_utf8(body).expect("UTF-8");
    let (media_type, escaping) = content_type.rsplit_once("; escaping=").unwrap_or((content_type, ""));
    assert!(["", "allow-utf-8", "underscores", "dots", "values"].contains(&escaping), "{content_type}");
    let samples = match media_type {
        "text/plain; version=0.0.4; charset=utf-8" => {
            assert!(!["allow-utf-8", "underscores"].contains(&escaping), "{content_type}");
            check_utf8(text())
        }
        "text/plain; version=1.0.0; charset=utf-8" => check_utf8(text()),
        "application/openmetrics-text; version=1.0.0; charset=utf-8" => check_open(text()),
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited" => {
            assert!(!body.is_empty());
            return;
        }
        _ => panic!("{content_type}"),
    };
    let names = samples.iter().map(|sample| (&sample.name, ":"));
    let keys = samples.iter().flat_map(|sample| &sample.labels).map(|(key, _)| (key, ""));
    for (name, also) in names.chain(keys) {
        assert!(escaping == "allow-utf-8" || check::is_name(name, also), "{name:?}");
    }
}
