//! What the layer does with an event: it records the metrics of the event. If `#[instrument(err)]` or `#[instrument(ret)]` emitted
//! the event, it stores how the function ended, in the state of the function's span.

use crate::layer::capture::CapturedEvent;
use crate::layer::instrument_result;
use crate::layer::spans::Spans;
use crate::plan::event_route::EventRoute;
use crate::plan::instrument_event::InstrumentEvent;
use crate::plan::log_record::with_log_target;
use crate::plan::matching::is_opentelemetry;
use crate::plan::plan::{EventBatch, EventDestination, Plan};
use crate::plan::plans::Plans;
use crate::record::exemplars::SpanIds;
use crate::record::recording;
use crate::record::recording_guard::RecordingGuard;
use crate::record::series::SeriesKey;
use tracing_core::{Event, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Records the metrics of an event, and stores how a function ended if `#[instrument]` emitted the event.
#[inline]
pub(crate) fn handle<S>(plans: &Plans, spans: &Spans, event: &Event<'_>, context: &Context<'_, S>)
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let Some((_, plan)) = plans.find(event.metadata()) else {
        return;
    };
    if RecordingGuard::is_active() {
        return;
    }
    if let Some(kind) = plan.instrument_event {
        store_result(plans, spans, (kind, plan), event, context);
    }
    if plan.events.is_empty() {
        return;
    }
    plans.mark_seen(plan);
    match plan.event_route.get() {
        EventRoute::Direct => record_event(plans, spans, plan, event, context, None, record_batch),
        EventRoute::LogRecord => {
            record_log_record(plans, spans, plan, event, context, record_batch);
        }
        route => record_with_exemplars(plans, spans, (plan, route), event, context),
    }
}

/// Records the metrics of an event whose measurements become exemplars, or may do so.
#[inline(never)]
fn record_with_exemplars<S>(
    plans: &Plans,
    spans: &Spans,
    (plan, route): (&Plan, EventRoute),
    event: &Event<'_>,
    context: &Context<'_, S>,
) where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let exemplars = || plans.rule_set().exemplars();
    if route == EventRoute::Unknown {
        plan.find_event_route(exemplars);
    }
    let exemplars = exemplars();
    let span = exemplars.and_then(|_| sampled_span(spans, event));
    // Only the recording itself, because reading the event's fields calls foreign code, which may measure something too.
    let record = |batch: &EventBatch, captured: &CapturedEvent<'_>, target: Option<&str>| {
        let record = || record_batch(batch, captured, target);
        exemplars.map_or_else(record, |exemplars| exemplars.measure(span, record));
    };
    if plan.is_log_record {
        record_log_record(plans, spans, plan, event, context, record);
    } else {
        record_event(plans, spans, plan, event, context, None, record);
    }
}

/// The OpenTelemetry span that an event belongs to: the current one, or that of the event's explicit parent.
fn sampled_span(spans: &Spans, event: &Event<'_>) -> Option<SpanIds> {
    if event.is_contextual() { SpanIds::of_current() } else { spans.sampled_span(event.parent()?) }
}

/// Stores how the function of a span ended, in the state of that span.
#[inline]
fn store_result<S>(
    plans: &Plans,
    spans: &Spans,
    (kind, plan): (InstrumentEvent, &Plan),
    event: &Event<'_>,
    context: &Context<'_, S>,
) where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let current = context.current_span();
    let contextual = current.id().filter(|_| event.is_contextual());
    let span = event.parent().or(contextual).and_then(|id| spans.find(plans, id));
    if let Some((state, _)) = span.filter(|(_, span)| plan.is_instrument_event_of(span)) {
        instrument_result::set_flag(state, kind, event);
    }
}

/// Records the metrics of a record of the `log` crate, for the rules that match its own target.
#[inline(never)]
fn record_log_record<S>(
    plans: &Plans,
    spans: &Spans,
    plan: &Plan,
    event: &Event<'_>,
    context: &Context<'_, S>,
    record: impl Fn(&EventBatch, &CapturedEvent<'_>, Option<&str>),
) where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    with_log_target(event, |target| {
        if is_opentelemetry(target) || plan.events_for(target).next().is_none() {
            return;
        }
        record_event(plans, spans, plan, event, context, Some(target), record);
        let coverage = plans.rule_set().coverage();
        plan.events_for(target).for_each(|event| coverage.matched(event.rule));
    });
}

/// Reads the event's fields and records its metrics. `target` is the event's own target, if it has one.
#[inline(always)]
fn record_event<S>(
    plans: &Plans,
    spans: &Spans,
    plan: &Plan,
    event: &Event<'_>,
    context: &Context<'_, S>,
    target: Option<&str>,
    record: impl Fn(&EventBatch, &CapturedEvent<'_>, Option<&str>),
) where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let [first, others @ ..] = &*plan.events else {
        return;
    };
    let mut captured = CapturedEvent::new(&plan.captures, &first.fields);
    event.record(&mut captured);
    if plan.inherits {
        spans.inherit(plans, &mut captured.values, context.event_span(event));
    }
    record(first, &captured, target);
    for batch in others {
        captured.next_batch(&batch.fields);
        event.record(&mut captured);
        record(batch, &captured, target);
    }
}

fn record_batch(batch: &EventBatch, captured: &CapturedEvent<'_>, target: Option<&str>) {
    let Some(_guard) = RecordingGuard::start() else {
        return;
    };
    for plan in batch.plans.iter().filter(|plan| plan.is_for(target)) {
        let key = SeriesKey::new(&captured.values.ids, &plan.label_slots);
        let numbers = captured.numbers(&plan.numbers);
        match &plan.destination {
            EventDestination::Rule(metrics) => {
                recording::event(&metrics.instruments, &metrics.series, key, numbers);
            }
            EventDestination::Prefixed(field) => {
                if let Some(metrics) = field.metrics() {
                    metrics.record(key, numbers);
                }
            }
        }
    }
}
