//! What one rule records: its instruments, its labels and its series.

#[cfg(feature = "bound")]
use crate::record::bound::{CounterSeries, GaugeSeries, HistogramSeries, UpDownSeries};
use crate::record::deferred::Waiting;
use crate::record::instruments::{Definitions, EventInstruments, SpanInstruments};
use crate::record::label_values::{Ids, ValueId, Values};
use crate::record::series::{Key, Labelled};
#[cfg(not(feature = "bound"))]
use crate::record::unbound::{CounterSeries, GaugeSeries, HistogramSeries, UpDownSeries};
use crate::rule::check::per_second;
use crate::rule::label::Label;
use crate::rule::outcome::{ENDINGS, Ending, Outcome, status_code};
use crate::rule::rule::Rule;
use crate::rule::span_duration::Clock;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use std::sync::{Arc, OnceLock};

#[derive(Debug)]
pub(crate) struct SpanMetrics {
    pub(crate) instruments: SpanInstruments,
    pub(crate) series: Labelled<SpanSeries>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) clock: Clock,
    /// The durations' unit, in nanoseconds.
    pub(crate) nanoseconds: f64,
}

/// The series of one set of labels, each there from its first measurement on.
#[derive(Debug, Default)]
pub(crate) struct SpanSeries {
    pub(crate) opened: OnceLock<CounterSeries<u64>>,
    pub(crate) in_flight: OnceLock<UpDownSeries<i64>>,
    /// By outcome; the first if there is none.
    pub(crate) closed: [OnceLock<ClosedSeries>; ENDINGS],
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
        labels: Vec<Arc<Values>>,
    ) -> Self {
        let outcomes = rule.outcome.as_ref().map_or(1, Outcome::values);
        let metrics = Self {
            instruments: definitions.span(meter, rule),
            series: labelled(labels, definitions.max_series(rule) / outcomes),
            outcome: rule.outcome.clone(),
            clock: rule.clock.unwrap_or_default(),
            nanoseconds: 1e9 / rule.unit.as_deref().and_then(per_second).unwrap_or(1.0),
        };
        metrics.show(&rule.labels);
        metrics
    }

    pub(crate) fn is_timed(&self) -> bool {
        self.instruments.duration.is_some()
    }

    pub(crate) fn records_open(&self) -> bool {
        self.instruments.opened.is_some() || self.instruments.in_flight.is_some()
    }

    pub(crate) fn records_close(&self) -> bool {
        self.instruments.closed.is_some() || self.is_timed()
    }

    pub(crate) fn closed_series(&self, key: Key, ending: Ending) -> ClosedSeries {
        let mut attributes = self.series.attributes(key);
        attributes.extend(self.outcome_attribute(ending));
        let SpanInstruments { closed, duration, .. } = &self.instruments;
        ClosedSeries {
            counter: closed.as_ref().map(|counter| CounterSeries::new(counter, &attributes)),
            duration: duration.as_ref().map(|times| HistogramSeries::new(times, &attributes)),
        }
    }

    fn outcome_attribute(&self, ending: Ending) -> Option<KeyValue> {
        let outcome = self.outcome.as_ref()?;
        Some(KeyValue::new(outcome.name().to_owned(), outcome.value(ending).to_owned()))
    }

    /// Makes the counters and the gauge show every series that is known beforehand, so that `rate()` sees its first step.
    fn show(&self, labels: &[Label]) {
        let SpanInstruments { opened, in_flight, closed, duration: _ } = &self.instruments;
        for mut attributes in combinations(labels, self.series.cap()) {
            opened.iter().for_each(|counter| counter.add(0, &attributes));
            in_flight.iter().for_each(|gauge| gauge.add(0, &attributes));
            let own = attributes.len();
            let endings = if self.outcome.is_some() { &Ending::ALL[..] } else { &Ending::ALL[..1] };
            for ending in endings {
                attributes.truncate(own);
                attributes.extend(self.outcome_attribute(*ending));
                closed.iter().for_each(|counter| counter.add(0, &attributes));
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct EventMetrics {
    /// There from the start, but for those of prefixed fields.
    instruments: OnceLock<EventInstruments>,
    pub(crate) series: Labelled<EventSeries>,
    /// What a metric of prefixed fields has before its instruments are there.
    pub(crate) waiting: Option<Waiting>,
}

/// The series of one set of labels, each there from its first measurement on.
#[derive(Debug, Default)]
pub(crate) struct EventSeries {
    pub(crate) counter: OnceLock<CounterSeries<u64>>,
    pub(crate) sum: OnceLock<CounterSeries<f64>>,
    pub(crate) up_down: OnceLock<UpDownSeries<f64>>,
    pub(crate) histogram: OnceLock<HistogramSeries>,
    pub(crate) gauge: OnceLock<GaugeSeries>,
}

impl EventMetrics {
    pub(crate) fn of_rule(
        instruments: EventInstruments,
        labels: Vec<Arc<Values>>,
        max_series: usize,
    ) -> Self {
        let instruments = OnceLock::from(instruments);
        Self { instruments, series: labelled(labels, max_series), waiting: None }
    }

    pub(crate) fn of_field(waiting: Waiting, labels: Vec<Arc<Values>>, max_series: usize) -> Self {
        let instruments = OnceLock::new();
        Self { instruments, series: labelled(labels, max_series), waiting: Some(waiting) }
    }

    #[inline]
    pub(crate) fn instruments(&self) -> Option<&EventInstruments> {
        self.instruments.get()
    }

    /// From now on values are recorded, and no longer kept.
    pub(crate) fn set_instruments(&self, instruments: EventInstruments) {
        // Only their maker sets them, once.
        let _ = self.instruments.set(instruments);
    }

    /// As [`SpanMetrics::show`].
    pub(crate) fn show(&self, labels: &[Label]) {
        let Some(EventInstruments { counter, sum, .. }) = self.instruments() else {
            return;
        };
        for attributes in combinations(labels, self.series.cap()) {
            counter.iter().for_each(|counter| counter.add(0, &attributes));
            sum.iter().for_each(|counter| counter.add(0.0, &attributes));
        }
    }
}

/// Where a rule reads the outcome of a span.
#[derive(Clone, Debug)]
pub(crate) struct OutcomeField {
    pub(crate) values: Arc<Values>,
    meanings: Arc<[(ValueId, Ending)]>,
}

impl OutcomeField {
    /// In the order in which they decide.
    pub(crate) fn all(
        outcome: &Outcome,
        mut values: impl FnMut(Label) -> Arc<Values>,
    ) -> [Self; 2] {
        [outcome.field(), status_code()].map(|(label, meanings)| {
            let values = values(label);
            let meanings = meanings.iter().map(|(name, ending)| (values.id(name), *ending));
            Self { meanings: meanings.collect(), values }
        })
    }

    pub(crate) fn ending(&self, ids: &Ids, place: usize) -> Option<Ending> {
        let id = ids.get(place);
        self.meanings.iter().find_map(|(known, ending)| (*known == id).then_some(*ending))
    }
}

/// One place is for what comes beyond the others.
fn labelled<S: Default>(labels: Vec<Arc<Values>>, max_series: usize) -> Labelled<S> {
    Labelled::new(labels, max_series.saturating_sub(1).max(1))
}

/// Every set of values, if all labels have a list of them, and there are not too many.
fn combinations(labels: &[Label], most: usize) -> Vec<Vec<KeyValue>> {
    let values = |label: &Label| label.values().map_or(0, <[_]>::len);
    let count = labels.iter().map(values).try_fold(1_usize, usize::checked_mul);
    if count.is_none_or(|count| count > most.min(MOST_SHOWN)) {
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

const MOST_SHOWN: usize = 100;
