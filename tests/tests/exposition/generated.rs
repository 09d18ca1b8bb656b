//! Generates what code can record: names, keys, values, help texts, units and numbers that are hard to encode.

use std::env;

use asdlc_exporter::prometheus::{GaugeVec, IntCounterVec, Opts, Registry};
use asdlc_exporter::{ExemplarFilter, Exporter, ExporterBuilder, Format};
use opentelemetry::metrics::Meter;
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceFlags, TraceState};
use opentelemetry::{Context, KeyValue, SpanId, TraceId, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};

/// Everything that one service records.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    namespace: Option<&'static str>,
    pub(crate) constant: String,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) filter: ExemplarFilter,
    /// Whether each of the first measurements is made within a sampled span.
    are_sampled: [bool; 10],
    /// Each has a series of its own, so that the served series can be compared exactly.
    pub(crate) probes: Vec<Probe>,
}

/// An instrument with any name, and one measurement.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    pub(crate) instrument: Instrument,
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) help: String,
    pub(crate) attributes: Vec<(String, Value)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Instrument {
    Counter(u64),
    FloatCounter(f64),
    UpDown(i64),
    Gauge(f64),
    /// The SDK ignores a measurement that is NaN or infinite, but a sum of two can become infinite.
    Sum(f64, f64),
    Histogram(f64, Vec<f64>),
}

/// A label value, and the numbers of its gauge and counter.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) value: String,
    pub(crate) number: f64,
    pub(crate) count: u64,
}

/// The recorded data and how it is served in each format.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) recorded: Recorded,
    pub(crate) text: String,
    pub(crate) open_metrics: String,
    pub(crate) protobuf: Vec<u8>,
}

impl Recorded {
    pub(crate) fn serve(self) -> Served {
        let exporter = self.exporter(|builder| builder);
        Served {
            text: exporter.render().expect("it renders"),
            open_metrics: exporter.render_as(Format::OpenMetrics).expect("it renders"),
            protobuf: exporter.render_protobuf().expect("it renders"),
            recorded: self,
        }
    }

    /// In `OpenMetrics`, with the start of each series.
    pub(crate) fn with_created_lines(&self) -> String {
        let exporter = self.exporter(ExporterBuilder::with_created_lines);
        exporter.render_as(Format::OpenMetrics).expect("it renders")
    }

    /// An exporter with all this, and with more settings.
    fn exporter(&self, with: impl FnOnce(ExporterBuilder) -> ExporterBuilder) -> Exporter {
        let registry = Registry::new();
        let mut builder = Exporter::builder("under-test")
            .with_constant_label("zone", self.constant.as_str())
            .with_version(self.constant.as_str())
            .with_exemplar_filter(self.filter)
            .with_registry(registry.clone());
        if let Some(namespace) = self.namespace {
            builder = builder.with_namespace(namespace);
        }
        let exporter = with(builder).build().expect("the settings are valid");
        let meter = exporter.meter();
        for (number, measurement) in self.measurements.iter().enumerate() {
            let _guard = Context::new().with_remote_span_context(self.span(number)).attach();
            measurement.record(&meter);
        }
        self.probe(&registry);
        exporter
    }

    /// The span in which the measurement with this number is made.
    pub(crate) fn span(&self, number: usize) -> SpanContext {
        let flags = TraceFlags::default().with_sampled(self.are_sampled[number]);
        // All digits of an id.
        let id = (number as u64 + 1).wrapping_mul(0x0123_4567_89ab_cdef);
        let trace = TraceId::from(u128::from(id) << 64 | u128::from(!id));
        SpanContext::new(trace, SpanId::from(id), flags, false, TraceState::NONE)
    }

    /// Records the probes in a registry, which accepts every number.
    fn probe(&self, registry: &Registry) {
        let labels = ["at", "value"];
        let gauge = GaugeVec::new(Opts::new(GAUGE, "Any."), &labels).expect("valid names");
        let counter = IntCounterVec::new(Opts::new(COUNTER, "Any."), &labels).expect("valid names");
        registry.register(Box::new(gauge.clone())).expect("the name is free");
        registry.register(Box::new(counter.clone())).expect("the name is free");
        for (at, Probe { value, number, count }) in self.probes.iter().enumerate() {
            let labels = [at.to_string(), value.clone()];
            gauge.with_label_values(&labels).set(*number);
            counter.with_label_values(&labels).inc_by(*count);
        }
    }
}

impl Measurement {
    pub(crate) fn record(&self, meter: &Meter) {
        let Self { instrument, name, unit, help, attributes } = self.clone();
        let attributes: Vec<_> =
            attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
        macro_rules! built {
            ($method:ident) => {
                meter.$method(name).with_unit(unit).with_description(help)
            };
        }
        match instrument {
            Instrument::Counter(by) => built!(u64_counter).build().add(by, &attributes),
            Instrument::FloatCounter(by) => built!(f64_counter).build().add(by.abs(), &attributes),
            Instrument::UpDown(by) => built!(i64_up_down_counter).build().add(by, &attributes),
            Instrument::Gauge(value) => built!(f64_gauge).build().record(value, &attributes),
            Instrument::Sum(first, second) => {
                let sum = built!(f64_up_down_counter).build();
                [first, second].into_iter().for_each(|by| sum.add(by, &attributes));
            }
            Instrument::Histogram(value, boundaries) => {
                let histogram = built!(f64_histogram).with_boundaries(boundaries).build();
                histogram.record(value, &attributes);
            }
        }
    }
}

impl Measurement {
    /// The value that its exemplar has, if it can have one.
    pub(crate) fn exemplar(&self) -> Option<f64> {
        let value = match &self.instrument {
            Instrument::Counter(by) => *by as f64,
            Instrument::FloatCounter(by) => by.abs(),
            Instrument::Histogram(value, _) => *value,
            Instrument::UpDown(_) | Instrument::Gauge(_) | Instrument::Sum(..) => return None,
        };
        value.is_finite().then_some(value)
    }
}

/// `default` cases, or as many as `PROPTEST_CASES` says. They are the same in each run unless `PROPTEST_RNG_SEED` is set.
pub(crate) fn served(default: u32) -> Vec<Served> {
    let config = config(default);
    let cases = config.cases;
    let mut runner = TestRunner::new(config);
    let strategy = recorded();
    let mut next = || strategy.new_tree(&mut runner).expect("nothing is rejected").current();
    (0..cases).map(|_| next().serve()).collect()
}

/// proptest's configuration from its own variables, with defaults that make every run the same.
pub(crate) fn config(default: u32) -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if env::var_os("PROPTEST_CASES").is_none() {
        config.cases = default;
    }
    if env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(0x0a5d_1c3e);
    }
    config
}

pub(crate) fn recorded() -> impl Strategy<Value = Recorded> {
    let namespace = proptest::option::of(proptest::sample::select(["asdlc", "_", "x"].as_slice()));
    let probe = (text(), number(), count());
    let probe = probe.prop_map(|(value, number, count)| Probe { value, number, count });
    // The builder rejects longer values.
    let constant = text().prop_map(|text| text[..text.floor_char_boundary(VALUE_LEN)].to_owned());
    let filter = proptest::sample::select(FILTERS);
    let exemplars = (filter, any::<[bool; 10]>());
    (namespace, constant, vec(measurement(), 1..10), exemplars, vec(probe, 1..8)).prop_map(
        |(namespace, constant, measurements, (filter, are_sampled), probes)| Recorded {
            namespace,
            constant,
            measurements,
            filter,
            are_sampled,
            probes,
        },
    )
}

fn measurement() -> impl Strategy<Value = Measurement> {
    let unit = proptest::sample::select(["", "s", "By", "1", "By/s", "{x}", "/", "\n"].as_slice());
    let attributes = vec((text(), value()), 0..4);
    (instrument(), text(), unit, text(), attributes).prop_map(
        |(instrument, name, unit, help, attributes)| Measurement {
            instrument,
            name,
            unit,
            help,
            attributes,
        },
    )
}

pub(crate) fn instrument() -> impl Strategy<Value = Instrument> {
    prop_oneof![
        count().prop_map(Instrument::Counter),
        number().prop_map(Instrument::FloatCounter),
        any::<i64>().prop_map(Instrument::UpDown),
        number().prop_map(Instrument::Gauge),
        (number(), number()).prop_map(|(first, second)| Instrument::Sum(first, second)),
        (number(), vec(-10..10_i8, 0..5)).prop_map(|(value, mut boundaries)| {
            boundaries.sort_unstable();
            boundaries.dedup();
            Instrument::Histogram(value, boundaries.into_iter().map(f64::from).collect())
        }),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => number().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
    ]
}

/// Mostly one of a few words, so that names and keys collide. Sometimes any text, rarely a very long one.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        40 => proptest::sample::select(WORDS).prop_map(str::to_owned),
        10 => vec(proptest::sample::select(WORDS), 2..5).prop_map(|words| words.concat()),
        10 => any::<String>(),
        1 => proptest::sample::select(["x", "\"", "\\", "\n", "🦀"].as_slice())
            .prop_map(|word| word.repeat((64 << 10) / word.len())),
    ]
}

fn number() -> impl Strategy<Value = f64> {
    let odd = [
        0.0,
        -0.0,
        1.0,
        0.1,
        1e300,
        -1e300,
        1e-300,
        5e-324,
        f64::MAX,
        f64::MIN,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];
    prop_oneof![proptest::sample::select(odd.to_vec()), any::<f64>(), -10.0..10.0]
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(1 << 53 | 1), Just(u64::MAX), any::<u64>()]
}

const FILTERS: &[ExemplarFilter] =
    &[ExemplarFilter::AlwaysOff, ExemplarFilter::TraceBased, ExemplarFilter::AlwaysOn];

/// The length to which the exporter truncates label values.
pub(crate) const VALUE_LEN: usize = 1024;

/// The same for label keys.
pub(crate) const KEY_LEN: usize = 256;

pub(crate) const GAUGE: &str = "probe";
pub(crate) const COUNTER: &str = "probes_total";

pub(crate) const WORDS: &[&str] = &[
    "",
    "a",
    "a.b",
    "a_b",
    "a__b",
    "1st",
    "co:lon",
    ":",
    "__name__",
    "__",
    "_",
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
    "\0",
    "\r",
    "\n",
    "\r\n",
    "\t",
    "\"",
    "\\",
    "\\n",
    "\\\\n",
    "}",
    "{",
    ",",
    "=",
    " ",
    "#",
    "# HELP x",
    "# EOF",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "é",
    "🦀",
    "a;b",
    "NaN",
    "+Inf",
];
