//! Whatever is recorded, the text is valid and the sums are right.

use crate::{
    check::{check, check_without_suffixes},
    check_open::check_open,
};
use asdlc_exporter::{Exporter, Format, PrometheusReader, ScopeLabels, TranslationStrategy};
use opentelemetry::{
    InstrumentationScope, KeyValue, Value,
    metrics::{Meter, MeterProvider as _},
};
use opentelemetry_sdk::{Resource, metrics::SdkMeterProvider};
use proptest::{collection::vec, prelude::*};

/// A measurement of an instrument.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    instrument: Instrument,
    name: String,
    pub(crate) unit: String,
    help: String,
    attributes: Vec<(String, Value)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Instrument {
    Counter(u32),
    FloatCounter(f64),
    UpDown(i32),
    Gauge(f64),
    IntGauge(i64),
    Histogram(f64, Vec<f64>),
    IntHistogram(u32),
}

impl Record {
    pub(crate) fn record(&self, meter: &Meter) {
        let Self { instrument, name, unit, help, attributes } = self.clone();
        let attributes = key_values(attributes);
        macro_rules! build {
            ($method:ident) => {
                meter.$method(name).with_unit(unit).with_description(help)
            };
        }
        match instrument {
            Instrument::Counter(v) => build!(u64_counter).build().add(v.into(), &attributes),
            Instrument::FloatCounter(v) => build!(f64_counter).build().add(v.abs(), &attributes),
            Instrument::UpDown(v) => build!(i64_up_down_counter).build().add(v.into(), &attributes),
            Instrument::Gauge(v) => build!(f64_gauge).build().record(v, &attributes),
            Instrument::IntGauge(v) => build!(i64_gauge).build().record(v, &attributes),
            Instrument::Histogram(v, boundaries) => {
                build!(f64_histogram).with_boundaries(boundaries).build().record(v, &attributes);
            }
            Instrument::IntHistogram(v) => {
                build!(u64_histogram).build().record(v.into(), &attributes);
            }
        }
    }
}

pub(crate) fn key_values(attributes: Vec<(String, Value)>) -> Vec<KeyValue> {
    attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect()
}

/// Text with special characters. It has few different words, so that names and keys collide.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let words = [
        "",
        "a",
        "a.b",
        "a_b",
        "a__b",
        "1st",
        "co:lon",
        "__name__",
        "__",
        "le",
        "quantile",
        "service",
        "zone",
        "exported_le",
        "x_total",
        "x",
        "x_bucket",
        "x_sum",
        "x_count",
        "x_created",
        "x_info",
        "x_seconds",
        "name",
        "version",
        "otel.scope.name",
        "otel_scope_name",
        "otel.scope.a",
        "otel_scope_",
        "target",
        "target_info",
        "\0",
        "\r",
        "\n",
        "\r\n",
        "\"",
        "\\",
        "\\n",
        "}",
        "{",
        ",",
        "=",
        " ",
        "# HELP x",
        "é",
        "🦀",
        "a;b",
    ];
    prop_oneof![6 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn number() -> impl Strategy<Value = f64> {
    let odd = [
        0.0,
        -0.0,
        1.0,
        1e300,
        -1e300,
        1e-300,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
        f64::MIN,
    ];
    prop_oneof![proptest::sample::select(odd.to_vec()), any::<f64>(), -10.0..10.0]
}

fn instrument() -> impl Strategy<Value = Instrument> {
    prop_oneof![
        any::<u32>().prop_map(Instrument::Counter),
        (0.0..1e9).prop_map(Instrument::FloatCounter),
        any::<i32>().prop_map(Instrument::UpDown),
        number().prop_map(Instrument::Gauge),
        any::<i64>().prop_map(Instrument::IntGauge),
        (number(), vec(-10..10_i8, 0..5)).prop_map(|(v, mut boundaries)| {
            boundaries.sort_unstable();
            boundaries.dedup();
            Instrument::Histogram(v, boundaries.into_iter().map(f64::from).collect())
        }),
        any::<u32>().prop_map(Instrument::IntHistogram),
    ]
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        number().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ]
}

pub(crate) fn record() -> impl Strategy<Value = Record> {
    let unit = proptest::sample::select(["", "s", "By", "1", "By/s", "{x}", "/", "%"].as_slice());
    (instrument(), text(), unit, text(), vec((text(), value()), 0..4)).prop_map(
        |(instrument, name, unit, help, attributes)| Record {
            instrument,
            name,
            unit: unit.to_owned(),
            help,
            attributes,
        },
    )
}

pub(crate) fn scope() -> impl Strategy<Value = InstrumentationScope> {
    let option = || proptest::option::of(text());
    (text(), option(), option(), vec((text(), value()), 0..4)).prop_map(
        |(name, version, schema_url, attributes)| {
            let scope = InstrumentationScope::builder(name).with_attributes(key_values(attributes));
            let scope = match version {
                Some(version) => scope.with_version(version),
                None => scope,
            };
            match schema_url {
                Some(schema_url) => scope.with_schema_url(schema_url).build(),
                None => scope.build(),
            }
        },
    )
}

pub(crate) fn scope_labels() -> impl Strategy<Value = ScopeLabels> {
    let all = ScopeLabels::ALL;
    proptest::sample::select(vec![
        all,
        all,
        ScopeLabels::NONE,
        all.without_name(),
        all.without_version().without_schema_url(),
        all.without_attributes(),
    ])
}

/// Whether the builder takes the attribute as a label.
fn can_be_label(key: &String) -> bool {
    PrometheusReader::builder().with_resource_labels([key]).build().is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    // X-05
    #[test]
    fn whatever_is_recorded_is_valid(
        records in vec(record(), 1..12),
        namespace in proptest::option::of(proptest::sample::select(["asdlc", "_", "x"].as_slice())),
        value in text(),
        has_created_lines in any::<bool>(),
    ) {
        let mut builder = Exporter::builder("shop").with_constant_label("zone", value.as_str()).with_version(value);
        if let Some(namespace) = namespace {
            builder = builder.with_namespace(namespace);
        }
        if has_created_lines {
            builder = builder.with_created_lines();
        }
        let exporter = builder.build()?;
        let meter = exporter.meter();
        for record in &records {
            record.record(&meter);
        }
        let text = exporter.render()?;
        for sample in check(&text) {
            prop_assert_eq!(sample.label("service"), Some("shop"));
        }
        let open_metrics = exporter.render_as(Format::OpenMetrics)?;
        for sample in check_open(&open_metrics) {
            prop_assert_eq!(sample.label("service"), Some("shop"));
        }
        // X-13
        let counts = |line: &str| ["counter", "histogram"].iter().any(|it| line.ends_with(&format!(" {it}")));
        let are_counted = open_metrics.lines().any(|line| line.starts_with("# TYPE ") && counts(line));
        let are_created = open_metrics.lines().any(|line| !line.starts_with('#') && line.contains("_created{service="));
        prop_assert!(!has_created_lines || are_created || !are_counted, "{}", open_metrics);
        // Only the uptime changes.
        let still = |text: &str| text.lines().filter(|l| !l.contains("uptime_seconds{")).map(str::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(still(&exporter.render()?), still(&text));
    }

    // X-05, X-09
    #[test]
    fn whatever_scopes_and_resource_there_are_the_text_is_valid(
        records in vec((record(), 0..3_usize), 1..12),
        scopes in vec(scope(), 3),
        resource in vec((text(), value()), 0..6),
        labels in vec(text(), 0..4),
        scope_labels in scope_labels(),
        has_suffixes in any::<bool>(),
        constant in text(),
    ) {
        let keys: Vec<_> = labels.into_iter().filter(can_be_label).collect();
        let strategy = if has_suffixes {
            TranslationStrategy::UnderscoreEscapingWithSuffixes
        } else {
            TranslationStrategy::UnderscoreEscapingWithoutSuffixes
        };
        let reader = PrometheusReader::builder()
            .with_constant_label("zone", constant)
            .with_scope_labels(scope_labels)
            .with_resource_labels(keys)
            .with_translation_strategy(strategy)
            .build()?;
        let has_resource = !resource.is_empty();
        let resource = Resource::builder_empty().with_attributes(key_values(resource)).build();
        let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(reader.clone()).build();
        // The SDK or the exporter may refuse all the others.
        provider.meter("anchor").u64_gauge("anchor").build().record(1, &[]);
        for (record, at) in &records {
            record.record(&provider.meter_with_scope(scopes[*at].clone()));
        }
        let text = reader.render()?;
        let samples = if has_suffixes { check(&text) } else { check_without_suffixes(&text) };
        let targets = samples.iter().filter(|sample| sample.name == "target_info").count();
        prop_assert!(!has_resource || targets == 1, "{}", text);
        check_open(&reader.render_as(Format::OpenMetrics)?);
        prop_assert_eq!(reader.render()?, text);
    }

    // X-09
    #[test]
    fn counters_of_all_scopes_add_up(
        adds in vec((vec((text(), value()), 0..3), 0..3_usize, any::<u32>()), 1..10),
        scopes in vec(scope(), 3),
        scope_labels in scope_labels(),
    ) {
        let reader = PrometheusReader::builder().with_scope_labels(scope_labels).build()?;
        let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
        let mut sum = 0;
        for (attributes, at, by) in adds {
            let meter = provider.meter_with_scope(scopes[at].clone());
            meter.u64_counter("adds").build().add(by.into(), &key_values(attributes));
            sum += u64::from(by);
        }
        let samples = check(&reader.render()?);
        let total: f64 = samples.iter().filter(|s| s.name == "adds_total").map(|s| s.value).sum();
        prop_assert_eq!(total, sum as f64);
    }

    // X-05
    #[test]
    fn nothing_recorded_is_lost(sets in vec((vec((text(), value()), 0..4), any::<u32>()), 1..10)) {
        let exporter = Exporter::builder("shop").with_constant_label("zone", "z").build()?;
        let counter = exporter.meter().u64_counter("adds").build();
        let histogram = exporter.meter().f64_histogram("sees").build();
        let mut sum = 0_u64;
        for (attributes, by) in &sets {
            let attributes: Vec<_> =
                attributes.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
            counter.add((*by).into(), &attributes);
            histogram.record((*by).into(), &attributes);
            sum += u64::from(*by);
        }
        let samples = check(&exporter.render()?);
        let total = |name: &str| samples.iter().filter(|s| s.name == name).map(|s| s.value).sum::<f64>();
        prop_assert_eq!(total("adds_total"), sum as f64);
        prop_assert_eq!(total("sees_sum"), sum as f64);
        prop_assert_eq!(total("sees_count"), sets.len() as f64);
    }

    // X-05
    #[test]
    fn label_values_are_read_back_exactly(value in any::<String>()) {
        let exporter = Exporter::builder("shop").build()?;
        exporter.meter().u64_gauge("seen").build().record(1, &[KeyValue::new("value", value.clone())]);
        let samples = check(&exporter.render()?);
        // F-13: an empty value is no label. Longer values are truncated, see `truncation.rs`.
        let expected = (!value.is_empty()).then_some(value.as_str());
        let mut seen = samples.iter().filter(|s| s.name == "seen");
        prop_assert!(value.len() > 1024 || seen.any(|s| s.label("value") == expected));
    }
}
