//! Generates what belongs to no single series: instrumentation scopes, attributes of the resource, and constant labels. All of
//! them are hard to encode, or become equal when they are encoded.

use asdlc_exporter::{Format, PrometheusReader, ScopeLabels, TranslationStrategy};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::generated::{self, Measurement, VALUE_LEN, WORDS, config, instrument};

/// A service with a meter provider of its own, and how its `PrometheusReader` is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    namespace: Option<&'static str>,
    strategy: TranslationStrategy,
    pub(crate) scope_labels: ServedScopeLabels,
    /// Whether every instrument is a counter: then no type conflicts with another, and nothing is dropped.
    pub(crate) has_only_counters: bool,
    pub(crate) constants: Vec<(String, String)>,
    pub(crate) resource: Attributes,
    /// The keys of attributes that are labels of every series.
    pub(crate) resource_labels: Vec<String>,
    pub(crate) scopes: Vec<Scope>,
}

/// Which labels of scopes are served, in a form that can be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServedScopeLabels {
    pub(crate) name: bool,
    pub(crate) version: bool,
    pub(crate) schema_url: bool,
    pub(crate) attributes: bool,
}

/// An instrumentation scope, and what it records.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) schema_url: Option<String>,
    pub(crate) attributes: Attributes,
    /// One series of [`SHARED`] for each, with its value.
    pub(crate) shared: Vec<(Attributes, u64)>,
    /// A measurement of [`SPREAD`].
    pub(crate) spread: Option<u64>,
    any: Vec<Measurement>,
}

pub(crate) type Attributes = Vec<(String, Value)>;

/// A setup and its exposition in both formats.
#[derive(Debug)]
pub(crate) struct ServedSetup {
    pub(crate) setup: Setup,
    pub(crate) text: String,
    pub(crate) open_metrics: String,
}

impl Setup {
    pub(crate) fn serve(self) -> ServedSetup {
        let [text, open_metrics] =
            self.rendered(self.strategy, [Format::Text, Format::OpenMetrics]);
        ServedSetup { text, open_metrics, setup: self }
    }

    /// The expositions in these formats, if this strategy makes the names.
    pub(crate) fn rendered(
        &self,
        strategy: TranslationStrategy,
        formats: [Format; 2],
    ) -> [String; 2] {
        let Self { namespace, scope_labels, constants, resource_labels, .. } = self;
        let mut builder = PrometheusReader::builder()
            .with_translation_strategy(strategy)
            .with_scope_labels(scope_labels.settings())
            .with_constant_labels(constants.iter().cloned())
            .with_resource_labels(resource_labels.iter().cloned());
        if let Some(namespace) = *namespace {
            builder = builder.with_namespace(namespace);
        }
        let reader = builder.build().expect("the settings are valid");
        let resource = Resource::builder_empty().with_attributes(key_values(&self.resource));
        // The SDK allocates the series of each instrument in advance: not 2000 for these.
        let few = |_: &Instrument| Stream::builder().with_cardinality_limit(100).build().ok();
        let provider = SdkMeterProvider::builder()
            .with_resource(resource.build())
            .with_view(few)
            .with_reader(reader.clone())
            .build();
        self.scopes.iter().for_each(|scope| scope.record(&provider));
        formats.map(|format| reader.render_as(format).expect("it renders"))
    }

    /// How many scopes, names, keys and values were generated.
    pub(crate) fn generated(&self) -> usize {
        let Self { constants, resource, scopes, .. } = self;
        2 * (constants.len() + resource.len()) + scopes.iter().map(Scope::generated).sum::<usize>()
    }

    /// The family name of [`SHARED`] or [`SPREAD`].
    pub(crate) fn family(&self, name: &str) -> String {
        let is_counter = name == SHARED;
        let has_suffix = self.strategy == TranslationStrategy::UnderscoreEscapingWithSuffixes;
        let prefix =
            self.namespace.map(|namespace| namespace.trim_end_matches('_').to_owned() + "_");
        let suffix = if is_counter && has_suffix { "_total" } else { "" };
        prefix.unwrap_or_default() + name + suffix
    }

    /// The sum of everything that was added to a counter.
    pub(crate) fn added(&self) -> u64 {
        let counters = |scope: &Scope| {
            let any = scope.any.iter().map(|measurement| match measurement.instrument {
                generated::Instrument::Counter(by) => by,
                _ => 0,
            });
            any.sum::<u64>() + scope.shared.iter().map(|(_, by)| by).sum::<u64>()
        };
        self.scopes.iter().map(counters).sum()
    }
}

impl Scope {
    fn record(&self, provider: &SdkMeterProvider) {
        let Self { name, version, schema_url, attributes, shared, spread, any } = self;
        let mut scope =
            InstrumentationScope::builder(name.clone()).with_attributes(key_values(attributes));
        if let Some(version) = version {
            scope = scope.with_version(version.clone());
        }
        if let Some(url) = schema_url {
            scope = scope.with_schema_url(url.clone());
        }
        let meter = provider.meter_with_scope(scope.build());
        let counter = meter.u64_counter(SHARED).build();
        for (attributes, by) in shared {
            counter.add(*by, &key_values(attributes));
        }
        if let Some(value) = spread {
            let histogram = meter.u64_histogram(SPREAD).with_boundaries(vec![10.0]).build();
            histogram.record(*value, &[]);
        }
        any.iter().for_each(|measurement| measurement.record(&meter));
    }

    fn generated(&self) -> usize {
        let points = self.shared.iter().map(|(attributes, _)| attributes);
        let any = self.any.iter().map(|measurement| &measurement.attributes);
        let attributes = points.chain(any).chain([&self.attributes]).map(Vec::len).sum::<usize>();
        let texts = [&self.version, &self.schema_url].into_iter().flatten().count();
        1 + texts + 2 * attributes + self.any.len()
    }
}

impl ServedScopeLabels {
    /// Whether any are.
    pub(crate) fn are_served(self) -> bool {
        let Self { name, version, schema_url, attributes } = self;
        name || version || schema_url || attributes
    }

    fn settings(self) -> ScopeLabels {
        let Self { name, version, schema_url, attributes } = self;
        let without = |labels: ScopeLabels, is_served, without: fn(ScopeLabels) -> ScopeLabels| {
            if is_served { labels } else { without(labels) }
        };
        let labels = without(ScopeLabels::ALL, name, ScopeLabels::without_name);
        let labels = without(labels, version, ScopeLabels::without_version);
        let labels = without(labels, schema_url, ScopeLabels::without_schema_url);
        without(labels, attributes, ScopeLabels::without_attributes)
    }
}

/// `default` setups, or as many as `PROPTEST_CASES` says. They are the same in each run unless `PROPTEST_RNG_SEED` is set.
pub(crate) fn served_setups(default: u32) -> Vec<ServedSetup> {
    let config = config(default);
    let cases = config.cases;
    let mut runner = TestRunner::new(config);
    let strategy = setup();
    let mut next = || strategy.new_tree(&mut runner).expect("nothing is rejected").current();
    (0..cases).map(|_| next().serve()).collect()
}

fn setup() -> impl Strategy<Value = Setup> {
    let strategy = select(
        [
            TranslationStrategy::UnderscoreEscapingWithSuffixes,
            TranslationStrategy::UnderscoreEscapingWithoutSuffixes,
        ]
        .as_slice(),
    );
    let namespace = option::of(select(["asdlc", "_", "x"].as_slice()));
    let service = (namespace, strategy, scope_labels(), any::<bool>());
    let labels = (vec((text(), text()), 0..4), vec((text(), value()), 0..40), any::<u64>());
    (service, labels, vec(scope(), 150..250)).prop_map(|(service, labels, scopes)| {
        let (namespace, strategy, scope_labels, has_only_counters) = service;
        let (constants, resource, chosen) = labels;
        let resource = unique(resource);
        let is_chosen = |at: &usize| chosen >> (at % 64) & 1 == 1;
        let chosen = (0..resource.len()).filter(is_chosen).map(|at| resource[at].0.clone());
        let mut this = Setup {
            namespace,
            strategy,
            scope_labels,
            has_only_counters,
            constants: constant_labels(constants),
            // The builder refuses some keys, for example that of `le`.
            resource_labels: chosen.filter(|key| is_allowed(key)).collect(),
            resource,
            scopes,
        };
        if has_only_counters {
            this.scopes.iter_mut().flat_map(|scope| &mut scope.any).for_each(only_count);
        }
        this
    })
}

/// All, as by default, or not all.
fn scope_labels() -> impl Strategy<Value = ServedScopeLabels> {
    let any = any::<[bool; 4]>();
    prop_oneof![3 => Just([true; 4]), 1 => Just([false; 4]), 2 => any].prop_map(
        |[name, version, schema_url, attributes]| ServedScopeLabels {
            name,
            version,
            schema_url,
            attributes,
        },
    )
}

fn scope() -> impl Strategy<Value = Scope> {
    let attributes = prop_oneof![
        200 => vec((text(), value()), 0..6),
        // More labels than are served.
        1 => (60..80_usize, text()).prop_map(|(len, text)| {
            (0..len).map(|at| (format!("k{at}"), Value::from(text.clone()))).collect()
        }),
    ];
    let shared = vec((vec((scope_key(), value()), 0..3).prop_map(unique), 1_u64..1 << 32), 1..3);
    let spread = option::weighted(0.1, 0_u64..20);
    (
        (text(), option::of(text()), option::of(text()), attributes),
        (shared, spread, vec(measurement(), 0..2)),
    )
        .prop_map(|((name, version, schema_url, attributes), (shared, spread, any))| Scope {
            name,
            version,
            schema_url,
            // The specification forbids two attributes with one key.
            attributes: unique(attributes),
            shared,
            spread,
            any,
        })
}

fn measurement() -> impl Strategy<Value = Measurement> {
    (instrument(), text(), text(), vec((scope_key(), value()), 0..3)).prop_map(
        |(instrument, name, help, attributes)| Measurement {
            instrument,
            name,
            unit: "",
            help,
            attributes,
        },
    )
}

/// A key that may be that of a label of the scope.
fn scope_key() -> impl Strategy<Value = String> {
    let scope = select(["otel.scope.", "otel_scope_", "otel_scope"].as_slice());
    let of_scope = (scope, text()).prop_map(|(prefix, text)| prefix.to_owned() + &text);
    prop_oneof![5 => text(), 1 => of_scope]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
    ]
}

/// Like [`generated::text`], but not as long: there are many of them in one exposition.
fn text() -> impl Strategy<Value = String> {
    // As long as the key of a resource label may be. It begins with a digit: the label gets a prefix, and is truncated.
    let long_key = Just("1".repeat(256));
    let long = (select(["x", "\"", "\\", "\n", "🦀", "1"].as_slice()), 200..3_000_usize);
    prop_oneof![
        240 => select(WORDS).prop_map(str::to_owned),
        200 => select(MORE_WORDS).prop_map(str::to_owned),
        60 => vec(select(WORDS), 2..4).prop_map(|words| words.concat()),
        30 => any::<String>(),
        3 => long_key,
        1 => long.prop_map(|(word, len)| word.repeat(len / word.len())),
    ]
}

/// Without those that the builder refuses, and with values that it accepts.
fn constant_labels(generated: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = Vec::new();
    for (key, value) in generated {
        let value = value[..value.floor_char_boundary(VALUE_LEN)].to_owned();
        labels.push((key, value));
        let builder = PrometheusReader::builder().with_constant_labels(labels.iter().cloned());
        if builder.build().is_err() {
            labels.pop();
        }
    }
    labels
}

fn is_allowed(key: &str) -> bool {
    PrometheusReader::builder().with_resource_labels([key]).build().is_ok()
}

/// Makes it a counter whose name is not too long, and not that of `target_info`.
fn only_count(measurement: &mut Measurement) {
    if measurement.name.starts_with("target") {
        measurement.name.clear();
    }
    measurement.instrument = generated::Instrument::Counter(measurement.name.len() as u64);
    measurement.name.truncate(measurement.name.floor_char_boundary(VALUE_LEN / 2));
}

/// Only the first of those with the same key.
fn unique(mut attributes: Attributes) -> Attributes {
    let mut seen = std::collections::HashSet::new();
    attributes.retain(|(key, _)| seen.insert(key.clone()));
    attributes
}

fn key_values(attributes: &Attributes) -> Vec<KeyValue> {
    attributes.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect()
}

/// A counter of every scope.
pub(crate) const SHARED: &str = "probe_shared";
/// A histogram of some scopes.
pub(crate) const SPREAD: &str = "probe_spread";

/// Keys and names that collide with those of scopes and of the resource. Not `exported_job`: `VictoriaMetrics` replaces it by a
/// scraped label `job`.
const MORE_WORDS: &[&str] = &[
    "name",
    "version",
    "schema_url",
    "schema.url",
    "otel_scope_name",
    "otel.scope.name",
    "otel.scope.version",
    "otel_scope_",
    "otel_scope_info",
    "target_info",
    "target",
    "service.name",
    "service_name",
    "service",
    "job",
    "instance",
    "exported_service",
    "le",
    "1",
    "1a",
    "key_1a",
    "http://a",
    "https://opentelemetry.io/schemas/1.0.0",
    "a.b.c",
    "a-b-c",
    "a_b_c",
    "a b c",
];
