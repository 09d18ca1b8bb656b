//! Every instrument of this crate is created here: names, units, descriptions and boundaries. Those of rules are created when
//! the layer is built, those of prefixed fields when one is met.

use crate::error::{BuildError, Kind, Problem};
use crate::rule::check::MAX_SERIES;
use crate::rule::rule::{Rule, Source};
use crate::rule::span_duration::Clock;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter};
use std::collections::BTreeMap;

/// What a rule for spans records into.
#[derive(Debug, Default)]
pub(crate) struct SpanInstruments {
    pub(crate) opened: Option<Counter<u64>>,
    pub(crate) in_flight: Option<UpDownCounter<i64>>,
    pub(crate) closed: Option<Counter<u64>>,
    /// In the rule's unit.
    pub(crate) duration: Option<Histogram<f64>>,
}

/// What a rule for events records into.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventInstruments {
    pub(crate) counter: Option<Counter<u64>>,
    pub(crate) sum: Option<Counter<f64>>,
    pub(crate) up_down: Option<UpDownCounter<f64>>,
    pub(crate) histogram: Option<Histogram<f64>>,
    pub(crate) gauge: Option<Gauge<f64>>,
}

/// The instruments that the rules name, each once, by the name that a backend knows it by.
#[derive(Debug)]
pub(crate) struct Definitions<'a> {
    known: BTreeMap<String, Definition<'a>>,
    /// How many rules are for prefixed fields: all may record into one metric.
    prefixed: usize,
}

#[derive(Debug)]
struct Definition<'a> {
    name: &'a str,
    kind: Kind,
    /// The rules that record into it.
    rules: Vec<(usize, &'a Rule)>,
}

impl<'a> Definitions<'a> {
    /// Checks that no two rules contradict each other. Nothing is created.
    pub(crate) fn of(rules: &'a [Rule]) -> Result<Self, BuildError> {
        let prefixed = rules.iter().filter(|rule| rule.source == Source::PrefixedFields).count();
        let mut definitions = Self { known: BTreeMap::new(), prefixed };
        for (index, rule) in rules.iter().enumerate() {
            for (kind, name) in rule.metrics() {
                definitions
                    .add(name, kind, (index, rule))
                    .map_err(|problem| BuildError::new(index, rule.subject(), problem))?;
            }
        }
        Ok(definitions)
    }

    fn add(&mut self, name: &'a str, kind: Kind, rule: (usize, &'a Rule)) -> Result<(), Problem> {
        let known = self.known.entry(canonical(name)).or_insert(Definition {
            name,
            kind,
            rules: Vec::new(),
        });
        let (other, first) = known.rules.first().copied().unwrap_or(rule);
        let name = name.to_owned();
        if known.name != name {
            let like = known.name.to_owned();
            return Err(Problem::Spelling { name, like, other });
        }
        if known.kind != kind {
            return Err(Problem::Kinds { name, kinds: [known.kind, kind], other });
        }
        if kind == Kind::Histogram && boundaries(first) != boundaries(rule.1) {
            return Err(Problem::Boundaries { name, other });
        }
        if unit(kind, first) != unit(kind, rule.1) {
            return Err(Problem::Units { name, other });
        }
        let selection = |rule: &'a Rule| (rule.source, &rule.name, &rule.target);
        if let Some(&(other, _)) =
            known.rules.iter().find(|(_, known)| selection(known) == selection(rule.1))
        {
            return Err(Problem::Twice { name, other });
        }
        known.rules.push(rule);
        Ok(())
    }

    /// The names as a backend knows them, with their kinds and spellings.
    pub(crate) fn names(&self) -> impl Iterator<Item = (String, Kind, &'a str)> {
        self.known.iter().map(|(canonical, known)| (canonical.clone(), known.kind, known.name))
    }

    /// How many series the rule may have so that no metric gets more than the SDK takes.
    pub(crate) fn max_series(&self, rule: &Rule) -> usize {
        let (_, sharing) = self.sharing(rule);
        rule.max_series.unwrap_or(MAX_SERIES / sharing)
    }

    /// Checks that every rule that records into one metric has its share of the metric's series.
    pub(crate) fn check_shares(&self, rule: &Rule) -> Result<(), Problem> {
        let (name, rules) = self.sharing(rule);
        let name = || match name {
            Some(name) => format!("{name:?}"),
            None => "a metric of prefixed fields".to_owned(),
        };
        match rule.max_series {
            _ if MAX_SERIES / rules < rule.min_series() => {
                Err(Problem::Sharing { name: name(), rules, least: rule.min_series() })
            }
            Some(series) if series > MAX_SERIES / rules => {
                Err(Problem::Shared { name: name(), rules, series })
            }
            _ => Ok(()),
        }
    }

    /// The most rules that record into one of this rule's metrics, and that metric.
    fn sharing<'r>(&self, rule: &'r Rule) -> (Option<&'r str>, usize) {
        if rule.source == Source::PrefixedFields {
            return (None, self.prefixed);
        }
        let shared = rule.metrics().filter_map(|(_, name)| {
            Some((Some(name), self.known.get(&canonical(name))?.rules.len()))
        });
        shared.max_by_key(|(_, rules)| *rules).unwrap_or((None, 1))
    }

    pub(crate) fn span(&self, meter: &Meter, rule: &Rule) -> SpanInstruments {
        let Rule { opened, in_flight, counter, duration, .. } = rule;
        let counted = |name: &str, when| {
            let description = format!("Spans that {when}: {}.", self.subjects(name));
            u64_counter(meter, name, description)
        };
        SpanInstruments {
            opened: opened.as_ref().map(|name| counted(name, "were created")),
            closed: counter.as_ref().map(|name| counted(name, "closed")),
            in_flight: in_flight.as_ref().map(|name| {
                let description = format!("Spans that are open: {}.", self.subjects(name));
                meter.i64_up_down_counter(name.to_string()).with_description(description).build()
            }),
            duration: duration.as_ref().map(|name| {
                let time = match rule.clock.unwrap_or_default() {
                    Clock::Close => "Time from creation to close of spans",
                    Clock::LastExit => "Time from creation to last exit of spans",
                    Clock::Busy => "Time in which spans were entered",
                };
                let description = format!("{time}: {}.", self.subjects(name));
                f64_histogram(meter, name, description, rule)
            }),
        }
    }

    pub(crate) fn event(&self, meter: &Meter, rule: &Rule) -> EventInstruments {
        let Rule { counter, sum, histogram, gauge, .. } = rule;
        let describe = |what: &str, field: &str, name: &str| {
            format!("{what} {field}: {}.", self.subjects(name))
        };
        EventInstruments {
            counter: counter
                .as_ref()
                .map(|name| u64_counter(meter, name, format!("Events: {}.", self.subjects(name)))),
            sum: sum.as_ref().map(|of| {
                f64_counter(
                    meter,
                    &of.name,
                    describe("Sum of the field", &of.field, &of.name),
                    rule,
                )
            }),
            up_down: None,
            histogram: histogram.as_ref().map(|of| {
                f64_histogram(
                    meter,
                    &of.name,
                    describe("Values of the field", &of.field, &of.name),
                    rule,
                )
            }),
            gauge: gauge.as_ref().map(|of| {
                f64_gauge(
                    meter,
                    &of.name,
                    describe("Last value of the field", &of.field, &of.name),
                    rule,
                )
            }),
        }
    }

    /// The names of the spans or events that give the metric.
    fn subjects(&self, name: &str) -> String {
        let rules =
            self.known.get(&canonical(name)).map(|known| &known.rules[..]).unwrap_or_default();
        let subjects = rules.iter().map(|(_, rule)| match &rule.name {
            Some(name) => name.to_string(),
            None => rule.subject().to_string(),
        });
        subjects.collect::<Vec<_>>().join(", ")
    }
}

/// The instrument of a prefixed field.
pub(crate) fn prefixed(meter: &Meter, kind: Kind, name: &str, rule: &Rule) -> EventInstruments {
    let description = String::from("A field of events.");
    let mut instruments = EventInstruments::default();
    match kind {
        Kind::UpDown => {
            let counter = meter.f64_up_down_counter(name.to_owned()).with_description(description);
            let counter = counter.with_unit(unit(kind, rule).to_owned());
            instruments.up_down = Some(counter.build());
        }
        Kind::Histogram => {
            instruments.histogram = Some(f64_histogram(meter, name, description, rule));
        }
        Kind::Gauge => instruments.gauge = Some(f64_gauge(meter, name, description, rule)),
        Kind::Counter | Kind::Sum | Kind::InFlight => {
            instruments.sum = Some(f64_counter(meter, name, description, rule));
        }
    }
    instruments
}

fn u64_counter(meter: &Meter, name: &str, description: String) -> Counter<u64> {
    meter.u64_counter(name.to_owned()).with_description(description).build()
}

fn f64_counter(meter: &Meter, name: &str, description: String, rule: &Rule) -> Counter<f64> {
    let counter = meter.f64_counter(name.to_owned()).with_description(description);
    counter.with_unit(unit(Kind::Sum, rule).to_owned()).build()
}

fn f64_gauge(meter: &Meter, name: &str, description: String, rule: &Rule) -> Gauge<f64> {
    let gauge = meter.f64_gauge(name.to_owned()).with_description(description);
    gauge.with_unit(unit(Kind::Gauge, rule).to_owned()).build()
}

fn f64_histogram(meter: &Meter, name: &str, description: String, rule: &Rule) -> Histogram<f64> {
    meter
        .f64_histogram(name.to_owned())
        .with_unit(unit(Kind::Histogram, rule).to_owned())
        .with_description(description)
        .with_boundaries(boundaries(rule).to_vec())
        .build()
}

pub(crate) fn boundaries(rule: &Rule) -> &[f64] {
    rule.boundaries.as_deref().unwrap_or(&DEFAULT_BOUNDARIES)
}

fn unit(kind: Kind, rule: &Rule) -> &str {
    match (kind, &rule.unit) {
        // They count.
        (Kind::Counter | Kind::InFlight, _) => "",
        (_, Some(unit)) => unit,
        (Kind::Histogram, None) if rule.duration.is_some() => "s",
        (_, None) => "",
    }
}

/// OpenTelemetry names differ by more than case; Prometheus has one separator.
pub(crate) fn canonical(name: &str) -> String {
    name.to_ascii_lowercase().replace(['.', '-', '/'], "_")
}

/// Prometheus' default buckets, in seconds.
const DEFAULT_BOUNDARIES: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
