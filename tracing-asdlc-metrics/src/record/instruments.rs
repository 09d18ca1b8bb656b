//! The one file that creates instruments: their names, units, descriptions and boundaries.
//!
//! The instruments of rules are created when the layer is built, those of prefixed fields after their first event.

use crate::rule::definitions::Definitions;
use crate::rule::instrument_name::InstrumentName;
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
        let describe = |what: &str, kind, instrument: InstrumentName<'_>| {
            format!("{what}: {}.", definitions.subjects(kind, instrument))
        };
        let u64_counter = |name: &str, what| {
            let instrument = rule.instrument(MetricKind::Counter, name);
            u64_counter(meter, instrument, describe(what, MetricKind::Counter, instrument))
        };
        let Rule { opened_counter, in_flight, counter, duration, span_duration, .. } = rule;
        let what = match span_duration.unwrap_or_default() {
            SpanDuration::UntilClose => "Time from creation to close of spans",
            SpanDuration::UntilLastExit => "Time from creation to last exit of spans",
            SpanDuration::Busy => "Time in which spans were entered",
        };
        Self {
            opened: opened_counter
                .as_ref()
                .map(|name| u64_counter(name, "Spans that were created")),
            in_flight: in_flight.as_ref().map(|name| {
                let instrument = rule.instrument(MetricKind::InFlight, name);
                let description = describe("Spans that are open", MetricKind::InFlight, instrument);
                let counter = meter.i64_up_down_counter(instrument.name.to_owned());
                counter.with_description(description).build()
            }),
            closed: counter.as_ref().map(|name| u64_counter(name, "Spans that closed")),
            duration: duration.as_ref().map(|name| {
                let instrument = rule.instrument(MetricKind::Histogram, name);
                let description = describe(what, MetricKind::Histogram, instrument);
                f64_histogram(meter, instrument, description, rule)
            }),
        }
    }
}

impl EventInstruments {
    /// Creates the instruments that the rule names.
    pub(crate) fn create(meter: &Meter, definitions: &Definitions<'_>, rule: &Rule) -> Self {
        let describe = |what: &str, kind, instrument: InstrumentName<'_>| {
            format!("{what}: {}.", definitions.subjects(kind, instrument))
        };
        let of_field = |kind, what: &str, FieldMetric { name, field }: &FieldMetric| {
            let instrument = rule.instrument(kind, name);
            let description = describe(&format!("{what} of the field {field}"), kind, instrument);
            Self::create_of_field(meter, kind, instrument, description, rule)
        };
        let Rule { counter, sum, histogram, gauge, .. } = rule;
        Self {
            counter: counter.as_ref().map(|name| {
                let instrument = rule.instrument(MetricKind::Counter, name);
                u64_counter(meter, instrument, describe("Events", MetricKind::Counter, instrument))
            }),
            sum: sum.as_ref().and_then(|sum| of_field(MetricKind::Sum, "Sum", sum).sum),
            up_down: None,
            histogram: histogram.as_ref().and_then(|histogram| {
                of_field(MetricKind::Histogram, "Values", histogram).histogram
            }),
            gauge: gauge
                .as_ref()
                .and_then(|gauge| of_field(MetricKind::Gauge, "Last value", gauge).gauge),
        }
    }

    /// Creates the instrument of a prefixed field.
    pub(crate) fn create_prefixed(
        meter: &Meter,
        kind: MetricKind,
        instrument: InstrumentName<'_>,
        rule: &Rule,
    ) -> Self {
        Self::create_of_field(meter, kind, instrument, "A field of events.".to_owned(), rule)
    }

    /// Creates the instrument of this kind, and no other.
    fn create_of_field(
        meter: &Meter,
        kind: MetricKind,
        instrument: InstrumentName<'_>,
        description: String,
        rule: &Rule,
    ) -> Self {
        let InstrumentName { name, unit } = instrument;
        let (name, unit) = (name.to_owned(), unit.to_owned());
        let mut instruments = Self::default();
        match kind {
            MetricKind::UpDown => {
                let counter = meter.f64_up_down_counter(name).with_unit(unit);
                instruments.up_down = Some(counter.with_description(description).build());
            }
            MetricKind::Histogram => {
                instruments.histogram = Some(f64_histogram(meter, instrument, description, rule));
            }
            MetricKind::Gauge => {
                let gauge = meter.f64_gauge(name).with_unit(unit);
                instruments.gauge = Some(gauge.with_description(description).build());
            }
            MetricKind::Counter | MetricKind::Sum | MetricKind::InFlight => {
                let counter = meter.f64_counter(name).with_unit(unit);
                instruments.sum = Some(counter.with_description(description).build());
            }
        }
        instruments
    }
}

fn u64_counter(meter: &Meter, instrument: InstrumentName<'_>, description: String) -> Counter<u64> {
    meter.u64_counter(instrument.name.to_owned()).with_description(description).build()
}

fn f64_histogram(
    meter: &Meter,
    InstrumentName { name, unit }: InstrumentName<'_>,
    description: String,
    rule: &Rule,
) -> Histogram<f64> {
    meter
        .f64_histogram(name.to_owned())
        .with_unit(unit.to_owned())
        .with_description(description)
        .with_boundaries(rule.histogram_boundaries().to_vec())
        .build()
}
