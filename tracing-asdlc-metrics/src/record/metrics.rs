//! What one rule records into: its instruments, and the series of each label set.

#[cfg(feature = "bound")]
pub(crate) use crate::record::bound::{CounterSeries, GaugeSeries, HistogramSeries, UpDownSeries};
use crate::record::instruments::{EventInstruments, SpanInstruments};
use crate::record::label_values::LabelValues;
use crate::record::series::{SeriesKey, SeriesTable};
#[cfg(not(feature = "bound"))]
pub(crate) use crate::record::unbound::{
    CounterSeries, GaugeSeries, HistogramSeries, UpDownSeries,
};
use crate::rule::definitions::Definitions;
use crate::rule::label::Label;
use crate::rule::outcome::{Outcome, SpanOutcome};
use crate::rule::rule::Rule;
use crate::rule::span_duration::{SpanDuration, units_per_second};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use std::sync::{Arc, OnceLock};

/// The metrics of a rule for spans.
#[derive(Debug)]
pub(crate) struct SpanMetrics {
    pub(crate) instruments: SpanInstruments,
    pub(crate) series: SeriesTable<SpanSeries>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) span_duration: SpanDuration,
    pub(crate) nanoseconds_per_unit: f64,
    pub(crate) is_recorded_at_creation: bool,
}

/// The series of one label set. Each is created by its first measurement.
#[derive(Debug, Default)]
pub(crate) struct SpanSeries {
    pub(crate) opened: OnceLock<CounterSeries<u64>>,
    pub(crate) in_flight: OnceLock<UpDownSeries<i64>>,
    /// By outcome. A rule without an outcome uses the first one.
    pub(crate) closed: [OnceLock<ClosedSeries>; SpanOutcome::COUNT],
}

#[derive(Debug)]
pub(crate) struct ClosedSeries {
    pub(crate) counter: Option<CounterSeries<u64>>,
    pub(crate) duration: Option<HistogramSeries>,
}

impl SpanMetrics {
    pub(crate) fn new(
        meter: &Meter,
        definitions: &Definitions<'_>,
        rule: &Rule,
        labels: Vec<Arc<LabelValues>>,
    ) -> Self {
        let outcomes = rule.outcome.as_ref().map_or(1, Outcome::distinct_values);
        let per_second = units_per_second(rule.duration_unit()).unwrap_or(1.0);
        Self {
            instruments: SpanInstruments::create(meter, definitions, rule),
            series: series_table(labels, definitions.max_series(rule) / outcomes),
            outcome: rule.outcome.clone(),
            span_duration: rule.span_duration.unwrap_or_default(),
            nanoseconds_per_unit: 1e9 / per_second,
            is_recorded_at_creation: rule.opened_counter.is_some() || rule.in_flight.is_some(),
        }
    }

    pub(crate) fn has_duration(&self) -> bool {
        self.instruments.duration.is_some()
    }

    pub(crate) fn is_recorded_at_close(&self) -> bool {
        self.instruments.closed.is_some() || self.has_duration()
    }

    pub(crate) fn closed_series(&self, key: SeriesKey, outcome: SpanOutcome) -> ClosedSeries {
        let mut attributes = self.series.attributes(key);
        attributes.extend(self.outcome_attribute(outcome));
        let SpanInstruments { closed, duration, .. } = &self.instruments;
        ClosedSeries {
            counter: closed.as_ref().map(|counter| CounterSeries::new(counter, &attributes)),
            duration: duration
                .as_ref()
                .map(|histogram| HistogramSeries::new(histogram, &attributes)),
        }
    }

    fn outcome_attribute(&self, outcome: SpanOutcome) -> Option<KeyValue> {
        let label = self.outcome.as_ref()?;
        Some(KeyValue::new(label.name().to_owned(), label.value(outcome).to_owned()))
    }

    /// Adds 0 to each series whose label values are all known when the layer is built, so that `rate()` sees the first increase.
    pub(crate) fn preinitialize(&self, labels: &[Label]) {
        let SpanInstruments { opened, in_flight, closed, duration: _ } = &self.instruments;
        for mut attributes in combinations(labels, self.series.limit()) {
            opened.iter().for_each(|counter| counter.add(0, &attributes));
            in_flight.iter().for_each(|gauge| gauge.add(0, &attributes));
            let labels = attributes.len();
            let outcomes = match self.outcome {
                Some(_) => &SpanOutcome::ALL[..],
                None => &SpanOutcome::ALL[..1],
            };
            for outcome in outcomes {
                attributes.truncate(labels);
                attributes.extend(self.outcome_attribute(*outcome));
                closed.iter().for_each(|counter| counter.add(0, &attributes));
            }
        }
    }
}

/// The metrics of a rule for events.
#[derive(Debug)]
pub(crate) struct EventMetrics {
    pub(crate) instruments: EventInstruments,
    pub(crate) series: SeriesTable<EventSeries>,
}

/// The series of one label set. Each is created by its first measurement.
#[derive(Debug, Default)]
pub(crate) struct EventSeries {
    pub(crate) counter: OnceLock<CounterSeries<u64>>,
    pub(crate) sum: OnceLock<CounterSeries<f64>>,
    pub(crate) up_down: OnceLock<UpDownSeries<f64>>,
    pub(crate) histogram: OnceLock<HistogramSeries>,
    pub(crate) gauge: OnceLock<GaugeSeries>,
}

impl EventMetrics {
    pub(crate) fn new(
        meter: &Meter,
        definitions: &Definitions<'_>,
        rule: &Rule,
        labels: Vec<Arc<LabelValues>>,
    ) -> Self {
        let instruments = EventInstruments::create(meter, definitions, rule);
        let series = series_table(labels, definitions.max_series(rule));
        Self { instruments, series }
    }

    /// As [`SpanMetrics::preinitialize`].
    pub(crate) fn preinitialize(&self, labels: &[Label]) {
        let EventInstruments { counter, sum, .. } = &self.instruments;
        for attributes in combinations(labels, self.series.limit()) {
            counter.iter().for_each(|counter| counter.add(0, &attributes));
            sum.iter().for_each(|counter| counter.add(0.0, &attributes));
        }
    }
}

/// The series of a metric with this series limit. One of them is the overflow series.
pub(crate) fn series_table<S: Default>(
    labels: Vec<Arc<LabelValues>>,
    max_series: usize,
) -> SeriesTable<S> {
    SeriesTable::new(labels, max_series.saturating_sub(1).max(1))
}

/// Every label set, if each label has a list of values, and there are not more label sets than the limit.
fn combinations(labels: &[Label], limit: usize) -> Vec<Vec<KeyValue>> {
    let values = |label: &Label| label.values().map_or(0, <[_]>::len);
    let count = labels.iter().map(values).try_fold(1_usize, usize::checked_mul);
    if count.is_none_or(|count| count > limit.min(MAX_PREINITIALIZED)) {
        return Vec::new();
    }
    labels.iter().fold(vec![Vec::new()], |sets: Vec<Vec<KeyValue>>, label| {
        let values = label.values().unwrap_or_default();
        let with = |set: &Vec<KeyValue>, value: &str| {
            let pair = KeyValue::new(label.name().to_owned(), value.to_owned());
            set.iter().cloned().chain([pair]).collect()
        };
        sets.iter().flat_map(|set| values.iter().map(move |value| with(set, value))).collect()
    })
}

/// The largest number of label sets of a rule whose series are created when the layer is built.
const MAX_PREINITIALIZED: usize = 100;
