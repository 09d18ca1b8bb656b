//! Makes the plan of a callsite: compares the callsite with each rule, once.

use crate::plan::event_route::{AtomicEventRoute, EventRoute};
use crate::plan::instrument_event::InstrumentEvent;
use crate::plan::log_record::is_log_record;
use crate::plan::matching::is_opentelemetry;
use crate::plan::plan::{
    Capture, Captures, EventBatch, EventDestination, EventPlan, MAX_BATCH_FIELDS, Plan, SpanPlan,
};
use crate::plan::prefixed_fields::PrefixedField;
use crate::plan::rule_set::{RuleMetrics, RuleSet};
use crate::record::label_values::{LabelValues, MAX_CAPTURES};
use crate::record::per_instrument::PerInstrument;
use crate::record::series::LabelSlots;
use crate::rule::span_duration::SpanDuration;
use std::sync::Arc;
use tracing_core::{LevelFilter, Metadata};

/// The plan of this callsite; `None` if no rule needs it.
pub(crate) fn resolve(
    rule_set: &RuleSet,
    metadata: &'static Metadata<'static>,
) -> Option<Box<Plan>> {
    if is_opentelemetry(metadata.target()) {
        return None;
    }
    let is_log_record = is_log_record(metadata);
    let mut captures = Vec::new();
    let mut spans = Vec::new();
    let mut events = EventBatches::default();
    let mut matched = Vec::new();
    let mut has_prefixed = false;
    for (index, (rule, metrics)) in rule_set.iter().enumerate() {
        if !rule.matches(metadata) {
            continue;
        }
        let labels = metrics.labels().iter();
        let label_slots: LabelSlots =
            labels.map(|values| capture(&mut captures, metadata, values)).collect();
        let target = rule.target.as_deref().filter(|_| is_log_record);
        let before = spans.len() + events.len();
        match metrics {
            RuleMetrics::Span { metrics, outcome_fields, .. } => {
                let outcome_fields = outcome_fields.iter().filter_map(|field| {
                    let slot = capture(&mut captures, metadata, &field.values)?;
                    Some((field.clone(), slot))
                });
                let outcome_fields = outcome_fields.collect();
                let metrics = Arc::clone(metrics);
                spans.push(SpanPlan { rule: index, metrics, label_slots, outcome_fields });
            }
            RuleMetrics::Event { metrics, .. } => {
                let destination = EventDestination::Rule(Arc::clone(metrics));
                let fields = rule.number_fields(metadata);
                events.push(index, destination, label_slots, fields, target);
            }
            RuleMetrics::Prefixed(prefixed) => {
                for (field, index_of_field) in PrefixedField::all(prefixed, metadata) {
                    has_prefixed = true;
                    let destination = EventDestination::Prefixed(field);
                    events.push(index, destination, label_slots.clone(), index_of_field, target);
                }
            }
        }
        if spans.len() + events.len() > before {
            matched.push(index);
        }
    }
    if metadata.is_span() {
        capture_for_children(rule_set, metadata, &mut captures);
    }
    let durations =
        || spans.iter().map(|span| &span.metrics).filter(|metrics| metrics.has_duration());
    let needs_entries = durations().any(|it| it.span_duration != SpanDuration::UntilClose);
    let is_recorded_at_creation = spans.iter().any(|it| it.metrics.is_recorded_at_creation);
    let has_outcome = spans.iter().any(|it| it.metrics.outcome.is_some());
    let plan = Plan {
        metadata,
        has_duration: durations().next().is_some(),
        needs_entries,
        is_recorded_at_creation,
        is_simple: spans.len() == 1 && !needs_entries && !is_recorded_at_creation && !has_outcome,
        inherits: captures.iter().any(|capture| capture.values.label().is_inherited()),
        instrument_event: InstrumentEvent::recognise(metadata)
            .filter(|_| rule_set.reads_instrument_event(metadata)),
        is_log_record,
        event_route: AtomicEventRoute::new(event_route(rule_set, is_log_record, has_prefixed)),
        exemplars: rule_set.exemplars(),
        #[cfg(feature = "tracing-opentelemetry")]
        is_traced: Default::default(),
        captures: Captures::new(captures, metadata.fields().len()),
        spans: spans.into(),
        events: events.into(),
        seen: rule_set.coverage().register(metadata, matched),
    };
    (!plan.is_empty()).then(|| Box::new(plan))
}

fn event_route(rule_set: &RuleSet, is_log_record: bool, has_prefixed: bool) -> EventRoute {
    match rule_set.exemplars() {
        Some(_) => EventRoute::WithExemplars,
        None if has_prefixed => EventRoute::Unknown,
        None if is_log_record => EventRoute::LogRecord,
        None => EventRoute::Direct,
    }
}

/// Captures the fields that children of the span may inherit.
fn capture_for_children(rule_set: &RuleSet, metadata: &Metadata<'_>, captures: &mut Vec<Capture>) {
    let level = LevelFilter::from_level(*metadata.level());
    for (max_level, values) in rule_set.inherited() {
        // Only fields that the span itself has. An inherited value is found in the ancestor that has the field.
        let has_field = metadata.fields().field(values.label().field_name()).is_some();
        if level <= *max_level && has_field {
            capture(captures, metadata, values);
        }
    }
}

/// The slot in which the value is captured; `None` if the callsite does not have the field, and the label is not inherited.
fn capture(
    captures: &mut Vec<Capture>,
    metadata: &Metadata<'_>,
    values: &Arc<LabelValues>,
) -> Option<u8> {
    if let Some(slot) = captures.iter().position(|known| Arc::ptr_eq(&known.values, values)) {
        return u8::try_from(slot).ok();
    }
    let field = metadata.fields().field(values.label().field_name()).map(|field| field.index());
    let is_needed = field.is_some() || values.label().is_inherited();
    // There is a free slot: this was checked when the layer was built.
    (is_needed && captures.len() < MAX_CAPTURES).then(|| {
        captures.push(Capture { field, values: Arc::clone(values) });
        (captures.len() - 1) as u8
    })
}

/// The metrics of an event, in the batches in which their numbers are read.
#[derive(Default)]
struct EventBatches(Vec<(Vec<usize>, Vec<EventPlan>)>);

impl EventBatches {
    /// Adds to the last batch if that has room for these fields.
    fn push(
        &mut self,
        rule: usize,
        destination: EventDestination,
        label_slots: LabelSlots,
        numbers: PerInstrument<usize>,
        target: Option<&str>,
    ) {
        let is_full =
            |fields: &Vec<usize>| fields.len() + numbers.iter().count() > MAX_BATCH_FIELDS;
        if self.0.last().is_none_or(|(fields, _)| is_full(fields)) {
            self.0.push(Default::default());
        }
        let Some((fields, plans)) = self.0.last_mut() else {
            return;
        };
        let numbers = numbers.and_then(|field| {
            let index = fields.iter().position(|known| *known == field).unwrap_or_else(|| {
                fields.push(field);
                fields.len() - 1
            });
            u8::try_from(index).ok()
        });
        let target = target.map(Box::from);
        plans.push(EventPlan { rule, destination, label_slots, numbers, target });
    }

    fn len(&self) -> usize {
        self.0.iter().map(|(_, plans)| plans.len()).sum()
    }
}

impl From<EventBatches> for Box<[EventBatch]> {
    fn from(EventBatches(batches): EventBatches) -> Self {
        let batches = batches.into_iter();
        batches
            .map(|(fields, plans)| EventBatch { fields: fields.into(), plans: plans.into() })
            .collect()
    }
}
