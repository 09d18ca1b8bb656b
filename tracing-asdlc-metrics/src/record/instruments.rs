//! The one file that creates instruments: their names, units, descriptions and boundaries.
//!
//! The instruments of rules are created when the layer is built, those of prefixed fields after their first event.

use crate::rule::definitions::Definitions;
use crate::rule::metric::MetricKind;
use crate::rule::rule::{FieldMetric, Rule};
use crate::rule::span_duration::SpanDuration;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter};

/// The instruments of a rule for spans.
#[derive(Debug, Default)]
pub(crate) struct SpanInstruments {
    pub(crate) opened: Option<Counter<u64>>,
    pub(crate) in_flight: Option<UpDownCounter<i64>>,
    pub(crate) closed: Option<Counter<u64>>,
    /// In the rule's unit.
    pub(crate) duration: Option<Histogram<f64>>,
}

/// The instruments of a rule for events, or of one prefixed field.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventInstruments {
    pub(crate) counter: Option<Counter<u64>>,
    pub(crate) sum: Option<Counter<f64>>,
    pub(crate) up_down: Option<UpDownCounter<f64>>,
    pub(crate) histogram: Option<Histogram<f64>>,
    pub(crate) gauge: Option<Gauge<f64>>,
}

impl SpanInstruments {
    /// Creates the instruments that the rule names.
    pub(crate) fn create(meter: &Meter, definitions: &Definitions<'_>, rule: &Rule) -> Self {
        let describe = |what: &str, name: &str| format!("{what}: {}.", definitions.subjects(name));
        let Rule { opened_counter, in_flight, counter, duration, span_duration, .. } = rule;
        let what = match span_duration.unwrap_or_default() {
            SpanDuration::UntilClose => "Time from creation to close of spans",
            SpanDuration::UntilLastExit => "Time from creation to last exit of spans",
            SpanDuration::Busy => "Time in which spans were entered",
        };
        Self {
            opened: opened_counter
                .as_ref()
                .map(|name| u64_counter(meter, name, describe("Spans that were created", name))),
            in_flight: in_flight.as_ref().map(|name| {
                let description = describe("Spans that are open", name);
                meter.i64_up_down_counter(name.to_string()).with_description(description).build()
            }),
            closed: counter
                .as_ref()
                .map(|name| u64_counter(meter, name, describe("Spans that closed", name))),
            duration: duration
                .as_ref()
                .map(|name| f64_histogram(meter, name, describe(what, name), rule)),
        }
    }
}

impl EventInstruments {
    /// Creates the instruments that the rule names.
    pub(crate) fn create(meter: &Meter, definitions: &Definitions<'_>, rule: &Rule) -> Self {
        let describe = |what: &str, name: &str| format!("{what}: {}.", definitions.subjects(name));
        let describe_field = |what: &str, FieldMetric { name, field }: &FieldMetric| {
            describe(&format!("{what} of the field {field}"), name)
        };
        let Rule { counter, sum, histogram, gauge, .. } = rule;
        Self {
            counter: counter
                .as_ref()
                .map(|name| u64_counter(meter, name, describe("Events", name))),
            sum: sum.as_ref().map(|metric| {
                f64_counter(meter, &metric.name, describe_field("Sum", metric), rule)
            }),
            up_down: None,
            histogram: histogram.as_ref().map(|metric| {
                f64_histogram(meter, &metric.name, describe_field("Values", metric), rule)
            }),
            gauge: gauge.as_ref().map(|metric| {
                f64_gauge(meter, &metric.name, describe_field("Last value", metric), rule)
            }),
        }
    }

    /// Creates the instrument of a prefixed field.
    pub(crate) fn create_prefixed(
        meter: &Meter,
        kind: MetricKind,
        name: &str,
        rule: &Rule,
    ) -> Self {
        let description = String::from("A field of events.");
        let mut instruments = Self::default();
        match kind {
            MetricKind::UpDown => {
                let counter =
                    meter.f64_up_down_counter(name.to_owned()).with_description(description);
                let counter = counter.with_unit(rule.unit_of(kind).to_owned());
                instruments.up_down = Some(counter.build());
            }
            MetricKind::Histogram => {
                instruments.histogram = Some(f64_histogram(meter, name, description, rule));
            }
            MetricKind::Gauge => {
                instruments.gauge = Some(f64_gauge(meter, name, description, rule));
            }
            MetricKind::Counter | MetricKind::Sum | MetricKind::InFlight => {
                instruments.sum = Some(f64_counter(meter, name, description, rule));
            }
        }
        instruments
    }
}

fn u64_counter(meter: &Meter, name: &str, description: String) -> Counter<u64> {
    meter.u64_counter(name.to_owned()).with_description(description).build()
}

fn f64_counter(meter: &Meter, name: &str, description: String, rule: &Rule) -> Counter<f64> {
    let counter = meter.f64_counter(name.to_owned()).with_description(description);
    counter.with_unit(rule.unit_of(MetricKind::Sum).to_owned()).build()
}

fn f64_gauge(meter: &Meter, name: &str, description: String, rule: &Rule) -> Gauge<f64> {
    let gauge = meter.f64_gauge(name.to_owned()).with_description(description);
    gauge.with_unit(rule.unit_of(MetricKind::Gauge).to_owned()).build()
}

fn f64_histogram(meter: &Meter, name: &str, description: String, rule: &Rule) -> Histogram<f64> {
    meter
        .f64_histogram(name.to_owned())
        .with_unit(rule.unit_of(MetricKind::Histogram).to_owned())
        .with_description(description)
        .with_boundaries(rule.histogram_boundaries().to_vec())
        .build()
}
