//! What to do with the spans or events of one callsite.

use crate::coverage::Seen;
use crate::plan::event_route::{AtomicEventRoute, EventRoute};
use crate::plan::instrument_event::InstrumentEvent;
use crate::plan::matching::is_in_module;
use crate::plan::outcome_field::OutcomeField;
use crate::plan::prefixed_fields::PrefixedField;
use crate::record::exemplars::Exemplars;
use crate::record::label_values::LabelValues;
use crate::record::metrics::{EventMetrics, SpanMetrics};
use crate::record::per_instrument::PerInstrument;
use crate::record::series::LabelSlots;
use std::ptr;
use std::sync::Arc;
#[cfg(feature = "tracing-opentelemetry")]
use std::sync::atomic::AtomicBool;
use tracing_core::Metadata;

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) metadata: &'static Metadata<'static>,
    pub(crate) captures: Captures,
    pub(crate) spans: Box<[SpanPlan]>,
    pub(crate) events: Box<[EventBatch]>,
    /// Whether a duration is recorded.
    pub(crate) has_duration: bool,
    /// Whether that duration needs the times of entries and exits.
    pub(crate) needs_entries: bool,
    /// Whether the creation of a span is recorded.
    pub(crate) is_recorded_at_creation: bool,
    /// Whether one rule records the close of a span and nothing else, without an outcome and with no other duration than that until
    /// the close. Then the layer needs to know nothing of an open span but its start and its labels.
    pub(crate) is_simple: bool,
    /// Whether a label value may come from an ancestor.
    pub(crate) inherits: bool,
    /// Set if this is an event of `#[instrument]`, and a rule with an outcome may match its span.
    pub(crate) instrument_event: Option<InstrumentEvent>,
    /// Whether this is a callsite of `tracing-log`. Each of its events has its own target.
    pub(crate) is_log_record: bool,
    pub(crate) event_route: AtomicEventRoute,
    /// The meter, if it is known to record exemplars.
    pub(crate) exemplars: Option<Exemplars>,
    /// Whether `tracing-opentelemetry` is known to see spans of this callsite.
    #[cfg(feature = "tracing-opentelemetry")]
    pub(crate) is_traced: AtomicBool,
    /// Whether any span or event of the callsite has reached the layer.
    pub(crate) seen: Seen,
}

/// The fields that label the metrics or decide the outcome.
#[derive(Debug)]
pub(crate) struct Captures {
    /// The index of a capture is its slot.
    pub(crate) all: Vec<Capture>,
    /// The captures of each field, by the field's index.
    pub(crate) by_field: Vec<FieldCaptures>,
}

/// The captures of one field.
#[derive(Debug)]
pub(crate) struct FieldCaptures {
    /// The values of the first one; `None` if the field is not captured.
    pub(crate) first: Option<Arc<LabelValues>>,
    /// The slot of the first one.
    pub(crate) slot: u8,
    /// Whether there is only this one.
    pub(crate) is_only: bool,
}

/// A field whose value is captured.
#[derive(Debug)]
pub(crate) struct Capture {
    /// The field's index; `None` if the callsite does not have the field, and only an ancestor can give a value.
    pub(crate) field: Option<usize>,
    pub(crate) values: Arc<LabelValues>,
}

/// What one rule for spans does at this callsite.
#[derive(Debug)]
pub(crate) struct SpanPlan {
    /// The index of the rule.
    pub(crate) rule: usize,
    pub(crate) metrics: Arc<SpanMetrics>,
    pub(crate) label_slots: LabelSlots,
    /// The fields that decide the outcome, with their slots.
    pub(crate) outcome_fields: Box<[(OutcomeField, u8)]>,
}

/// Metrics of an event whose numbers are read together.
#[derive(Debug)]
pub(crate) struct EventBatch {
    /// The indices of the fields that are read, at most [`MAX_BATCH_FIELDS`].
    pub(crate) fields: Box<[usize]>,
    pub(crate) plans: Box<[EventPlan]>,
}

/// What one rule for events does at this callsite, or one prefixed field of it.
#[derive(Debug)]
pub(crate) struct EventPlan {
    /// The index of the rule.
    pub(crate) rule: usize,
    pub(crate) destination: EventDestination,
    pub(crate) label_slots: LabelSlots,
    /// The numbers that are recorded: their indices in [`EventBatch::fields`].
    pub(crate) numbers: PerInstrument<u8>,
    /// The rule's target, if each event has its own target.
    pub(crate) target: Option<Box<str>>,
}

/// The metrics into which an event is recorded.
#[derive(Debug)]
pub(crate) enum EventDestination {
    Rule(Arc<EventMetrics>),
    Prefixed(PrefixedField),
}

impl Plan {
    /// Whether the plan does nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { captures, spans, events, instrument_event, .. } = self;
        captures.all.is_empty()
            && spans.is_empty()
            && events.is_empty()
            && instrument_event.is_none()
    }

    /// The only rule of a [simple](Self::is_simple) plan.
    #[inline]
    pub(crate) fn simple_span(&self) -> Option<&SpanPlan> {
        if self.is_simple { self.spans.first() } else { None }
    }

    /// Finds out whether the meter records exemplars, if that was not known when the callsite was resolved.
    #[cold]
    pub(crate) fn find_event_route(&self, exemplars: impl Fn() -> Option<Exemplars>) {
        // This is read first: when the instruments exist, the meter has answered or never will.
        let exist = self.events.iter().flat_map(|batch| &batch.plans).all(EventPlan::is_created);
        let route = match exemplars() {
            Some(_) => EventRoute::WithExemplars,
            None if !exist => EventRoute::Unknown,
            None if self.is_log_record => EventRoute::LogRecord,
            None => EventRoute::Direct,
        };
        self.event_route.set(route);
    }

    /// Whether `#[instrument]` emits this event for the spans of the plan `span`. If so, both have the same place in the
    /// source, which is the place of the attribute. This must be checked: if the span of the function that has ended is
    /// disabled, the current span belongs to another function, which has not ended.
    pub(crate) fn is_instrument_event_of(&self, span: &Self) -> bool {
        let place =
            |plan: &Self| (plan.metadata.module_path(), plan.metadata.file(), plan.metadata.line());
        self.instrument_event.is_some() && place(self) == place(span)
    }

    /// The event plans of the rules that match a log record with this target.
    pub(crate) fn events_for(&self, target: &str) -> impl Iterator<Item = &EventPlan> {
        let events = self.events.iter().flat_map(|batch| &batch.plans);
        events.filter(move |event| event.is_for(Some(target)))
    }

    /// The rules that match every span or event of the callsite.
    pub(crate) fn rules(&self) -> impl Iterator<Item = usize> {
        let events = self.events.iter().flat_map(|batch| &batch.plans).map(|event| event.rule);
        self.spans.iter().map(|span| span.rule).chain(events.filter(|_| !self.is_log_record))
    }

    /// The slot of the capture with these values.
    pub(crate) fn slot_of(&self, values: &Arc<LabelValues>) -> Option<usize> {
        self.captures.all.iter().position(|capture| ptr::eq(&*capture.values, &**values))
    }
}

impl Captures {
    /// The captures of a callsite with this number of fields.
    pub(crate) fn new(all: Vec<Capture>, fields: usize) -> Self {
        let of_field = |field| {
            // A slot is a small number: see `MAX_CAPTURES`.
            let slots = all.iter().zip(0..);
            let mut slots = slots.filter(|(capture, _)| capture.field == Some(field));
            let first = slots.next();
            FieldCaptures {
                slot: first.map_or(0, |(_, slot)| slot),
                first: first.map(|(capture, _)| Arc::clone(&capture.values)),
                is_only: slots.next().is_none(),
            }
        };
        Self { by_field: (0..fields).map(of_field).collect(), all }
    }

    /// No captures.
    pub(crate) fn none() -> &'static Self {
        static NONE: Captures = Captures { all: Vec::new(), by_field: Vec::new() };
        &NONE
    }
}

impl EventPlan {
    /// Whether its instruments exist.
    fn is_created(&self) -> bool {
        match &self.destination {
            EventDestination::Rule(_) => true,
            EventDestination::Prefixed(field) => {
                field.metrics().is_none_or(|metrics| metrics.is_created())
            }
        }
    }

    /// Whether the rule matches an event with this target. `None` is an event without a target of its own.
    #[inline]
    pub(crate) fn is_for(&self, target: Option<&str>) -> bool {
        self.target
            .as_ref()
            .is_none_or(|module| target.is_some_and(|target| is_in_module(target, module)))
    }
}

/// How many fields are read at once. A metric of an event reads at most four of its fields.
pub(crate) const MAX_BATCH_FIELDS: usize = 8;
/// How many rules may have an in-flight gauge for one span.
pub(crate) const MAX_IN_FLIGHT_GAUGES: usize = 2;
