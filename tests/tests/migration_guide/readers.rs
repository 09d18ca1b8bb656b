//! The other readers beside ours on one provider: what the guide's tables say about options and differences.

use std::panic::{AssertUnwindSafe, catch_unwind};

use asdlc_exporter::prometheus::{Registry, TextEncoder};
use asdlc_exporter::{PrometheusReader, PrometheusReaderBuilder, ScopeLabels, TranslationStrategy};
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::{InstrumentationScope, Key, KeyValue};
use opentelemetry_prometheus::ResourceSelector;
use opentelemetry_prometheus_text_exporter as text_exporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, SdkMeterProvider, Stream};

type Official = opentelemetry_prometheus::ExporterBuilder;

#[test]
fn each_option_of_opentelemetry_prometheus_has_the_equivalent_that_the_guide_names() {
    let keys = || [Key::from("service.name"), Key::from("service.version")];
    let cases: [(&str, Official, PrometheusReaderBuilder); 6] = [
        ("none", official(), ours()),
        ("namespace", official().with_namespace("shop"), ours().with_namespace("shop")),
        ("target", official().without_target_info(), ours().without_target_info()),
        (
            "scope",
            official().scope_info_enabled(false),
            ours().with_scope_labels(ScopeLabels::NONE),
        ),
        (
            "resource",
            official().with_resource_selector(ResourceSelector::KeyAllowList(
                keys().into_iter().collect(),
            )),
            ours().with_resource_labels(keys().map(|key| key.to_string())),
        ),
        (
            "suffixes",
            official().without_units().without_counter_suffixes(),
            ours()
                .with_translation_strategy(TranslationStrategy::UnderscoreEscapingWithoutSuffixes),
        ),
    ];
    for (option, theirs, ours) in cases {
        let [theirs, ours] = beside_official(theirs, ours, conventional);
        assert_eq!(ours, theirs, "{option}");
        assert!(ours.len() >= 10, "{option}: {ours:?}");
    }
}

#[test]
fn each_option_of_the_text_exporter_has_the_equivalent_that_the_guide_names() {
    let theirs = text_exporter::PrometheusExporter::builder;
    let cases = [
        ("none", theirs(), ours()),
        ("target", theirs().without_target_info(), ours().without_target_info()),
        ("scope", theirs().without_scope_info(), ours().with_scope_labels(ScopeLabels::NONE)),
        (
            "suffixes",
            theirs().without_units().without_counter_suffixes(),
            ours()
                .with_translation_strategy(TranslationStrategy::UnderscoreEscapingWithoutSuffixes),
        ),
    ];
    for (option, theirs, ours) in cases {
        let [theirs, ours] = beside_text_exporter(theirs, ours, conventional);
        assert_eq!(ours, theirs, "{option}");
        assert!(ours.len() >= 10, "{option}: {ours:?}");
    }
}

/// How to record a difference, the samples of the other exporter, and ours.
type Difference = (fn(&Meter), &'static [&'static str], &'static [&'static str]);

#[test]
fn the_differences_from_opentelemetry_prometheus_are_those_of_the_guide() {
    let cases: &[Difference] = &[
        (|meter| count(meter, "orders_total", ""), &["orders_total_total 1"], &["orders_total 1"]),
        (|meter| gauge(meter, "age_seconds", "s"), &["age_seconds_seconds 1"], &["age_seconds 1"]),
        (|meter| count(meter, "calls", "1"), &["calls_ratio_total 1"], &["calls_total 1"]),
        (|meter| gauge(meter, "load", "furlong"), &["load 1"], &["load_furlong 1"]),
        (|meter| gauge(meter, "a..b", ""), &["a__b 1"], &["a_b 1"]),
        (|meter| gauge(meter, "a__b", ""), &["a__b 1"], &["a_b 1"]),
        (
            |meter| labels(meter, [("a__b", "x")]),
            &["a_total{a__b=\"x\"} 1"],
            &["a_total{a_b=\"x\"} 1"],
        ),
        (
            |meter| labels(meter, [("1st", "x")]),
            &["a_total{1st=\"x\"} 1"],
            &["a_total{key_1st=\"x\"} 1"],
        ),
        (two_numbers, &["a_total{n=\"1\"} 1", "a_total{n=\"1\"} 2"], &["a_total{n=\"1\"} 3"]),
        (
            |meter| {
                let wait = meter.f64_histogram("wait").with_boundaries(vec![]).build();
                wait.record(1.0, &[KeyValue::new("le", "x")]);
            },
            &[
                "wait_bucket{le=\"+Inf\",le=\"x\"} 1",
                "wait_count{le=\"x\"} 1",
                "wait_sum{le=\"x\"} 1",
            ],
            &[
                "wait_bucket{exported_le=\"x\",le=\"+Inf\"} 1",
                "wait_count{exported_le=\"x\"} 1",
                "wait_sum{exported_le=\"x\"} 1",
            ],
        ),
        (|meter| meter.f64_histogram("exponential").build().record(1.0, &[]), &[], EXPONENTIAL),
        (
            |meter| meter.u64_counter("a").build().add((1 << 53) + 1, &[]),
            &["a_total 9007199254740992"],
            &["a_total 9007199254740993"],
        ),
    ];
    for (record, theirs, ours) in cases {
        let plain = official().without_target_info().scope_info_enabled(false);
        let found = beside_official(plain, bare(), record);
        assert_eq!(found, [theirs, ours].map(|samples| samples.to_vec()));
    }
}

#[test]
fn the_differences_from_the_text_exporter_are_those_of_the_guide() {
    let cases: &[Difference] = &[
        (|meter| gauge(meter, "wait", "min"), &["wait_min 1"], &["wait_minutes 1"]),
        (|meter| gauge(meter, "size", "MiBy"), &["size_MiBy 1"], &["size_mebibytes 1"]),
        (|meter| gauge(meter, "mass", "kg"), &["mass_kilograms 1"], &["mass_kg 1"]),
        (|meter| gauge(meter, "disk", "By/s"), &["disk_By_per_s 1"], &["disk_bytes_per_second 1"]),
        (|meter| count(meter, "calls", "1"), &["calls_ratio_total 1"], &["calls_total 1"]),
        (
            |meter| count(meter, "sent_bytes_total", "By"),
            &["sent_bytes_total_bytes_total 1"],
            &["sent_bytes_total 1"],
        ),
        (|meter| gauge(meter, "1st", ""), &["_st 1"], &["_1st 1"]),
        (
            |meter| labels(meter, [("a.b", "x"), ("a_b", "y")]),
            &["a_total{a_b=\"x\",a_b=\"y\"} 1"],
            &["a_total{a_b=\"x;y\"} 1"],
        ),
        (two_numbers, &["a_total{n=\"1\"} 1", "a_total{n=\"1\"} 2"], &["a_total{n=\"1\"} 3"]),
        (
            |meter| labels(meter, [("tab", "\t")]),
            &["a_total{tab=\"\\t\"} 1"],
            &["a_total{tab=\"\t\"} 1"],
        ),
        (|meter| meter.f64_histogram("exponential").build().record(1.0, &[]), &[], EXPONENTIAL),
    ];
    for (record, theirs, ours) in cases {
        let plain = text_exporter::PrometheusExporter::builder();
        let plain = plain.without_target_info().without_scope_info();
        let found = beside_text_exporter(plain, bare(), record);
        assert_eq!(found, [theirs, ours].map(|samples| samples.to_vec()));
    }
}

#[test]
fn after_a_callback_panicked_each_reader_fails_as_the_guide_says() {
    let registry = Registry::new();
    let official = official().with_registry(registry.clone()).build().expect("it builds");
    let text = text_exporter::PrometheusExporter::new();
    let ours = ours().build().expect("its settings are valid");
    let provider = SdkMeterProvider::builder()
        .with_reader(official)
        .with_reader(text.clone())
        .with_reader(ours.clone())
        .build();
    let meter = provider.meter("shop");
    count(&meter, "orders", "");
    meter.u64_observable_gauge("broken").with_callback(|_| panic!("no database")).build();
    let gather = || catch_unwind(AssertUnwindSafe(|| registry.gather().len())).ok();
    let export = || catch_unwind(AssertUnwindSafe(|| text.export(&mut Vec::new()).is_ok())).ok();
    assert_eq!([gather(), gather(), gather()], [None, Some(0), Some(0)]);
    assert_eq!([export(), export(), export()], [None, Some(false), Some(false)]);
    for _ in 0..3 {
        assert!(ours.render().is_err_and(|error| error.is_callback_panic()));
    }
}

#[test]
fn after_a_shutdown_only_ours_is_an_error() {
    let registry = Registry::new();
    let official = official().with_registry(registry.clone()).build().expect("it builds");
    let ours = ours().build().expect("its settings are valid");
    let provider = builder().with_reader(official).with_reader(ours.clone()).build();
    count(&meter(&provider), "orders", "");
    assert!(!registry.gather().is_empty());
    assert!(ours.render().is_ok());
    provider.shutdown().expect("the readers stop");
    assert!(registry.gather().is_empty());
    assert!(ours.render().is_err());
}

fn official() -> Official {
    opentelemetry_prometheus::exporter()
}

fn ours() -> PrometheusReaderBuilder {
    PrometheusReader::builder()
}

/// Ours without what says where a series is from.
fn bare() -> PrometheusReaderBuilder {
    ours().without_target_info().with_scope_labels(ScopeLabels::NONE)
}

/// Instruments of each kind with conventional names and labels.
fn conventional(meter: &Meter) {
    let orders = meter.u64_counter("orders.taken").build();
    orders.add(2, &[KeyValue::new("paid", true), KeyValue::new("shop.area", 7)]);
    orders.add(3, &[KeyValue::new("paid", false), KeyValue::new("shop.area", 7)]);
    meter.f64_counter("cpu.time").with_unit("s").build().add(0.5, &[KeyValue::new("mode", "user")]);
    meter.i64_up_down_counter("open").build().add(-2, &[]);
    gauge(meter, "size", "By");
    let wait = meter.f64_histogram("wait").with_unit("s").with_boundaries(vec![0.5, 1.0]).build();
    [0.25, 0.75, 2.0]
        .into_iter()
        .for_each(|seconds| wait.record(seconds, &[KeyValue::new("route", "/")]));
}

fn count(meter: &Meter, name: &'static str, unit: &'static str) {
    meter.u64_counter(name).with_unit(unit).build().add(1, &[]);
}

fn gauge(meter: &Meter, name: &'static str, unit: &'static str) {
    meter.f64_gauge(name).with_unit(unit).build().record(1.0, &[]);
}

fn labels<const N: usize>(meter: &Meter, labels: [(&'static str, &'static str); N]) {
    let attributes = labels.map(|(key, value)| KeyValue::new(key, value));
    meter.u64_counter("a").build().add(1, &attributes);
}

fn two_numbers(meter: &Meter) {
    let counter = meter.u64_counter("a").build();
    counter.add(1, &[KeyValue::new("n", 1)]);
    counter.add(2, &[KeyValue::new("n", "1")]);
}

/// The samples of both after `record`.
fn beside_official(
    theirs: Official,
    ours: PrometheusReaderBuilder,
    record: impl Fn(&Meter),
) -> [Vec<String>; 2] {
    let registry = Registry::new();
    let theirs = theirs.with_registry(registry.clone()).build().expect("it builds");
    let ours = ours.build().expect("its settings are valid");
    let provider = builder().with_reader(theirs).with_reader(ours.clone()).build();
    record(&meter(&provider));
    let text = TextEncoder::new().encode_to_string(&registry.gather()).expect("it encodes");
    [text, ours.render().expect("it renders")].map(|text| samples(&text))
}

/// The samples of both after `record`.
fn beside_text_exporter(
    theirs: text_exporter::ExporterBuilder,
    ours: PrometheusReaderBuilder,
    record: impl Fn(&Meter),
) -> [Vec<String>; 2] {
    let theirs = theirs.build();
    let ours = ours.build().expect("its settings are valid");
    let provider = builder().with_reader(theirs.clone()).with_reader(ours.clone()).build();
    record(&meter(&provider));
    let mut text = Vec::new();
    theirs.export(&mut text).expect("it writes");
    let text = String::from_utf8(text).expect("it is UTF-8");
    [text, ours.render().expect("it renders")].map(|text| samples(&text))
}

fn builder() -> opentelemetry_sdk::metrics::MeterProviderBuilder {
    let resource = Resource::builder_empty()
        .with_service_name("shop")
        .with_attribute(KeyValue::new("service.version", "1.2.3"))
        .with_attribute(KeyValue::new("replicas", 3));
    let exponential = |instrument: &Instrument| {
        let aggregation = Aggregation::Base2ExponentialHistogram {
            max_size: 160,
            max_scale: 8,
            record_min_max: true,
        };
        let stream = || Stream::builder().with_aggregation(aggregation).build().ok();
        (instrument.name() == "exponential").then(stream).flatten()
    };
    SdkMeterProvider::builder().with_resource(resource.build()).with_view(exponential)
}

fn meter(provider: &SdkMeterProvider) -> Meter {
    let scope = InstrumentationScope::builder("shop").with_version("1.2.3");
    let scope = scope.with_schema_url("https://example.com/1.0");
    provider.meter_with_scope(scope.with_attributes([KeyValue::new("team.name", "a")]).build())
}

/// The sample lines, each with sorted labels, sorted.
fn samples(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let sorted = |line: &str| {
        let Some((name, rest)) = line.split_once('{') else { return line.to_owned() };
        let (labels, value) = rest.rsplit_once("} ").expect("labels end");
        let mut labels: Vec<_> =
            labels.split("\",").map(|label| label.trim_end_matches('"')).collect();
        labels.sort_unstable();
        format!("{name}{{{}\"}} {value}", labels.join("\","))
    };
    let mut samples: Vec<_> = lines.map(sorted).collect();
    samples.sort();
    samples
}

/// The powers of four between 2^-10 and 2^30, for a histogram without a unit.
const EXPONENTIAL: &[&str] = &[
    "exponential_bucket{le=\"+Inf\"} 1",
    "exponential_bucket{le=\"0.0009765625\"} 0",
    "exponential_bucket{le=\"0.00390625\"} 0",
    "exponential_bucket{le=\"0.015625\"} 0",
    "exponential_bucket{le=\"0.0625\"} 0",
    "exponential_bucket{le=\"0.25\"} 0",
    "exponential_bucket{le=\"1\"} 1",
    "exponential_bucket{le=\"1024\"} 1",
    "exponential_bucket{le=\"1048576\"} 1",
    "exponential_bucket{le=\"1073741824\"} 1",
    "exponential_bucket{le=\"16\"} 1",
    "exponential_bucket{le=\"16384\"} 1",
    "exponential_bucket{le=\"16777216\"} 1",
    "exponential_bucket{le=\"256\"} 1",
    "exponential_bucket{le=\"262144\"} 1",
    "exponential_bucket{le=\"268435456\"} 1",
    "exponential_bucket{le=\"4\"} 1",
    "exponential_bucket{le=\"4096\"} 1",
    "exponential_bucket{le=\"4194304\"} 1",
    "exponential_bucket{le=\"64\"} 1",
    "exponential_bucket{le=\"65536\"} 1",
    "exponential_bucket{le=\"67108864\"} 1",
    "exponential_count 1",
    "exponential_sum 1",
];
