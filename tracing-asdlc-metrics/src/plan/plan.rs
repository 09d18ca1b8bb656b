//! What to do with the spans and events of a callsite, resolved once: no string is compared for a span.

use crate::coverage::Seen;
use crate::layer::capture::{BATCH, Capture, Numbers};
use crate::layer::instrument_event::{End, end};
use crate::plan::callsites::{CallsiteId, Callsites};
use crate::plan::log_record::is_log;
use crate::plan::prefixed_fields::EventSource;
use crate::plan::rule_set::{Measured, Rules};
use crate::record::label_values::{CAPTURES, Values};
use crate::record::metrics::{OutcomeField, SpanMetrics};
use crate::record::series::Places;
use crate::rule::rule::is_within;
use crate::rule::span_duration::Clock;
use std::ptr;
use std::sync::Arc;
use tracing_core::{Interest, LevelFilter, Metadata};
use tracing_subscriber::layer::{Context, Filter};

/// The rules, and the plan of every callsite seen so far.
///
/// As a [`Filter`] it is what the rest of the subscriber learns about this layer: which callsites it wants.
#[derive(Debug)]
pub(crate) struct Plans {
    rules: Rules,
    callsites: Callsites<Option<Box<Plan>>>,
}

/// What the spans or events of one callsite give.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) metadata: &'static Metadata<'static>,
    pub(crate) captures: Box<[Capture]>,
    pub(crate) spans: Box<[SpanPlan]>,
    pub(crate) events: Box<[EventBatch]>,
    /// Whether a duration is measured.
    pub(crate) timed: bool,
    /// Whether entries and exits are.
    pub(crate) clocked: bool,
    /// Whether the creation of a span is recorded.
    pub(crate) opens: bool,
    /// Whether a label's value may come from an ancestor.
    pub(crate) inherits: bool,
    /// The event of `#[instrument(err)]` or `#[instrument(ret)]`, if a rule with an outcome may match its span.
    pub(crate) end: Option<End>,
    /// Whether each event has a target of its own, in a field.
    pub(crate) log: bool,
    /// Whether one of its spans or events has come.
    pub(crate) seen: Seen,
}

/// What a rule for spans does here.
#[derive(Debug)]
pub(crate) struct SpanPlan {
    pub(crate) rule: usize,
    pub(crate) metrics: Arc<SpanMetrics>,
    /// Where the values of its labels are captured.
    pub(crate) places: Places,
    /// The fields that tell the outcome, and where they are captured.
    pub(crate) outcomes: Box<[(OutcomeField, u8)]>,
}

/// Metrics of an event, and the fields whose numbers they record, which are read together.
#[derive(Debug)]
pub(crate) struct EventBatch {
    /// Their indices, up to [`BATCH`].
    pub(crate) fields: Box<[usize]>,
    pub(crate) plans: Box<[EventPlan]>,
}

/// What a rule for events does here.
#[derive(Debug)]
pub(crate) struct EventPlan {
    pub(crate) rule: usize,
    pub(crate) source: EventSource,
    pub(crate) places: Places,
    /// The places of the numbers that are recorded, in the batch.
    pub(crate) numbers: Numbers<u8>,
    /// The rule's target, where each event has one of its own.
    pub(crate) target: Option<Box<str>>,
}

impl Plans {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, callsites: Callsites::new() }
    }

    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The plan for this callsite, `None` when it is nothing to this layer.
    ///
    /// Resolves the callsite when it is new. Mostly `register_callsite` has done so, but a thread that meets a callsite
    /// while another one is registering it creates its span before that is done.
    #[inline]
    pub(crate) fn find(&self, metadata: &'static Metadata<'static>) -> Option<(CallsiteId, &Plan)> {
        let (id, plan) = self.callsites.get_or_insert_with(metadata, || self.resolve(metadata));
        Some((id, plan.as_deref()?))
    }

    #[inline]
    pub(crate) fn get(&self, id: CallsiteId) -> Option<&Plan> {
        self.callsites.get(id)?.as_deref()
    }

    fn resolve(&self, metadata: &'static Metadata<'static>) -> Option<Box<Plan>> {
        if is_opentelemetry(metadata.target()) {
            return None;
        }
        let log = is_log(metadata);
        let mut captures = Vec::new();
        let mut spans = Vec::new();
        let mut events = Events::default();
        let mut matched = Vec::new();
        for (index, (rule, measured)) in self.rules.iter().enumerate() {
            if !rule.matches(metadata) {
                continue;
            }
            let places = measured.labels().iter();
            let places = places.map(|values| capture(&mut captures, metadata, values)).collect();
            let target = rule.target.as_deref().filter(|_| log);
            let before = spans.len() + events.len();
            match measured {
                Measured::Span { metrics, outcomes, .. } => {
                    let outcomes = outcomes.iter().filter_map(|outcome| {
                        let place = capture(&mut captures, metadata, &outcome.values)?;
                        Some((outcome.clone(), place))
                    });
                    let outcomes = outcomes.collect();
                    spans.push(SpanPlan {
                        rule: index,
                        metrics: Arc::clone(metrics),
                        places,
                        outcomes,
                    });
                }
                Measured::Event { metrics, .. } => {
                    let source = EventSource::Rule(Arc::clone(metrics));
                    events.push(index, source, places, rule.numbers(metadata), target);
                }
                Measured::Prefixed(prefixed) => {
                    for (source, numbers) in EventSource::prefixed(prefixed, metadata) {
                        events.push(index, source, places.clone(), numbers, target);
                    }
                }
            }
            if spans.len() + events.len() > before {
                matched.push(index);
            }
        }
        if metadata.is_span() {
            let level = LevelFilter::from_level(*metadata.level());
            for (most, values) in self.rules.inherited() {
                // Only what it declares itself; what it inherits, its children find where it does.
                if level <= *most && metadata.fields().field(values.label().field_name()).is_some()
                {
                    capture(&mut captures, metadata, values);
                }
            }
        }
        let clocks = || spans.iter().map(|span| &span.metrics).filter(|metrics| metrics.is_timed());
        let plan = Plan {
            metadata,
            timed: clocks().next().is_some(),
            clocked: clocks().any(|metrics| metrics.clock != Clock::Close),
            opens: spans.iter().any(|span| span.metrics.records_open()),
            inherits: captures.iter().any(|capture| capture.values.label().is_inherited()),
            end: end(metadata).filter(|_| self.rules.any_outcome_of(metadata)),
            log,
            captures: captures.into(),
            spans: spans.into(),
            events: events.into(),
            seen: self.rules.coverage().registered(metadata, matched),
        };
        let Plan { captures, spans, events, end, .. } = &plan;
        let nothing = captures.is_empty() && spans.is_empty() && events.is_empty() && end.is_none();
        (!nothing).then(|| Box::new(plan))
    }
}

impl<S> Filter<S> for Plans {
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.find(metadata).is_some() { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        // Never asked: see `SpanMetricsLayer::on_layer`.
        true
    }
}

impl EventPlan {
    /// Whether the rule matches an event with this target of its own.
    #[inline]
    pub(crate) fn is_for(&self, target: Option<&str>) -> bool {
        self.target
            .as_ref()
            .is_none_or(|module| target.is_some_and(|target| is_within(target, module)))
    }
}

/// The place where the value is captured; none when the callsite lacks the field and the label is not inherited.
fn capture(
    captures: &mut Vec<Capture>,
    metadata: &Metadata<'_>,
    values: &Arc<Values>,
) -> Option<u8> {
    if let Some(place) = captures.iter().position(|known| Arc::ptr_eq(&known.values, values)) {
        return u8::try_from(place).ok();
    }
    let field = metadata.fields().field(values.label().field_name()).map(|field| field.index());
    let wanted = field.is_some() || values.label().is_inherited();
    // There is room: that was checked when the layer was built.
    (wanted && captures.len() < CAPTURES).then(|| {
        for earlier in captures.iter_mut().filter(|earlier| earlier.field == field) {
            earlier.is_last = false;
        }
        captures.push(Capture { field, is_last: true, values: Arc::clone(values) });
        (captures.len() - 1) as u8
    })
}

/// The metrics of an event, as they come together.
#[derive(Default)]
struct Events(Vec<(Vec<usize>, Vec<EventPlan>)>);

impl Events {
    /// Into the last batch, while it has room for the fields that this reads.
    fn push(
        &mut self,
        rule: usize,
        source: EventSource,
        places: Places,
        numbers: Numbers<usize>,
        target: Option<&str>,
    ) {
        let is_full = |fields: &Vec<usize>| fields.len() + numbers.iter().count() > BATCH;
        if self.0.last().is_none_or(|(fields, _)| is_full(fields)) {
            self.0.push(Default::default());
        }
        let Some((fields, plans)) = self.0.last_mut() else {
            return;
        };
        let numbers = numbers.and_then(|field| {
            let place = fields.iter().position(|known| *known == field).unwrap_or_else(|| {
                fields.push(field);
                fields.len() - 1
            });
            u8::try_from(place).ok()
        });
        plans.push(EventPlan { rule, source, places, numbers, target: target.map(Box::from) });
    }

    fn len(&self) -> usize {
        self.0.iter().map(|(_, plans)| plans.len()).sum()
    }
}

impl From<Events> for Box<[EventBatch]> {
    fn from(Events(batches): Events) -> Self {
        let batches = batches.into_iter();
        batches
            .map(|(fields, plans)| EventBatch { fields: fields.into(), plans: plans.into() })
            .collect()
    }
}

impl Plan {
    /// Whether this is the event that `#[instrument]` emits for the spans of that plan: both stand where the attribute does. Where
    /// the function's own span is disabled, the event comes in the span around, which has not ended.
    pub(crate) fn is_end_of(&self, span: &Self) -> bool {
        let place =
            |plan: &Self| (plan.metadata.module_path(), plan.metadata.file(), plan.metadata.line());
        self.end.is_some() && place(self) == place(span)
    }

    /// Those of its metrics that an event with this target of its own gives.
    pub(crate) fn events_for(&self, target: &str) -> impl Iterator<Item = &EventPlan> {
        let events = self.events.iter().flat_map(|batch| &batch.plans);
        events.filter(move |event| event.is_for(Some(target)))
    }

    /// The rules that match all its spans or events.
    pub(crate) fn rules(&self) -> impl Iterator<Item = usize> {
        let events = self.events.iter().flat_map(|batch| &batch.plans).map(|event| event.rule);
        self.spans.iter().map(|span| span.rule).chain(events.filter(|_| !self.log))
    }

    /// The place where these values are captured.
    pub(crate) fn place_of(&self, values: &Arc<Values>) -> Option<usize> {
        self.captures.iter().position(|capture| ptr::eq(&*capture.values, &**values))
    }
}

/// The SDK's own spans and events, as its crates name their targets.
pub(crate) fn is_opentelemetry(target: &str) -> bool {
    target
        .strip_prefix("opentelemetry")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '-', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdks_targets_are_told_from_names_that_begin_alike() {
        for target in
            ["opentelemetry", "opentelemetry_sdk", "opentelemetry-otlp", "opentelemetry::metrics"]
        {
            assert!(is_opentelemetry(target), "{target}");
        }
        for target in ["opentelemetrics", "my_opentelemetry", "opentelemetry2", ""] {
            assert!(!is_opentelemetry(target), "{target}");
        }
    }
}
