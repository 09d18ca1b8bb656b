//! What the layer does with a span: it keeps the state of the span from creation to close, decides the outcome, and records the
//! creation and the close.

#[cfg(feature = "tracing-opentelemetry")]
use crate::layer::bridge::Bridge;
use crate::layer::capture::CapturedValues;
use crate::layer::metered::{future_outcome, has_future_outcome};
#[cfg(not(feature = "tracing-opentelemetry"))]
use crate::layer::no_bridge::Bridge;
use crate::layer::open_spans::{OpenSpan, OpenSpans};
use crate::layer::span_state::{AtomicSpanState, SpanState};
use crate::plan::callsites::CallsiteId;
use crate::plan::outcome_field::OutcomeField;
use crate::plan::plan::{MAX_IN_FLIGHT_GAUGES, Plan, SpanPlan};
use crate::plan::plans::Plans;
use crate::plan::rule_set::RuleSet;
use crate::record::exemplars::{Exemplars, SpanIds};
use crate::record::label_values::{MISSING, ValueIds};
use crate::record::metrics::SpanMetrics;
use crate::record::recording;
use crate::record::recording_guard::RecordingGuard;
use crate::record::series::SeriesKey;
use crate::rule::outcome::SpanOutcome;
use crate::rule::span_duration::SpanDuration;
use std::thread;
use std::time::Instant;
use tracing_core::Dispatch;
use tracing_core::span::{Attributes, Id, Record};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// The series in which a span is in flight.
type InFlight = [u32; MAX_IN_FLIGHT_GAUGES];

/// The open spans of one subscriber, and the clock that measures them.
///
/// Some methods are not inlined, because inlining them makes the layers around this one slower for every span.
#[derive(Debug)]
pub(crate) struct Spans {
    open: OpenSpans,
    built: Instant,
    bridge: Bridge,
    exemplars: Option<Exemplars>,
    /// What is called when a span is entered, exited and closed.
    on: Handlers,
}

/// With exemplars there are other handlers, so that without them nothing is checked for each span.
#[derive(Debug)]
struct Handlers {
    enter: fn(&Spans, &Plans, &Id),
    exit: fn(&Spans, &Plans, &Id),
    close: fn(&Spans, &Plans, OpenSpan<'_>),
}

impl Handlers {
    const PLAIN: Self = Self {
        enter: Spans::measure_entry,
        exit: Spans::measure_exit,
        close: Spans::take_and_record,
    };
    const WITH_EXEMPLARS: Self = Self {
        enter: Spans::enter_with_exemplars,
        exit: Spans::exit_with_exemplars,
        close: Spans::take_and_record_with_exemplars,
    };
}

impl Spans {
    pub(crate) fn new(rule_set: &RuleSet) -> Self {
        let exemplars = rule_set.exemplars();
        let on = if exemplars.is_some() { Handlers::WITH_EXEMPLARS } else { Handlers::PLAIN };
        let (open, built) = (OpenSpans::new(), Instant::now());
        Self { open, built, bridge: Bridge::new(), exemplars, on }
    }

    /// The layer was added to this subscriber.
    pub(crate) fn register(&self, subscriber: &Dispatch) {
        self.bridge.register(subscriber);
    }

    /// Stores the state of a new span that inherits nothing, and records its creation.
    #[inline(never)]
    pub(crate) fn create(
        &self,
        plans: &Plans,
        plan: (CallsiteId, &Plan),
        attributes: &Attributes<'_>,
        id: &Id,
    ) {
        self.create_and(plans, plan, attributes, id, |_| {});
    }

    /// Stores the state of a new span that may inherit label values, and records its creation.
    #[inline(never)]
    pub(crate) fn create_with_ancestors<'a, S>(
        &self,
        plans: &Plans,
        plan: (CallsiteId, &Plan),
        attributes: &Attributes<'_>,
        id: &Id,
        parent: impl FnOnce() -> Option<SpanRef<'a, S>>,
    ) where
        S: for<'span> LookupSpan<'span> + 'a,
    {
        let inherits = plan.1.inherits;
        self.create_and(plans, plan, attributes, id, |values| {
            if inherits {
                self.inherit(plans, values, parent());
            }
        });
    }

    #[inline(always)]
    fn create_and(
        &self,
        plans: &Plans,
        (callsite, plan): (CallsiteId, &Plan),
        attributes: &Attributes<'_>,
        id: &Id,
        inherit: impl FnOnce(&mut CapturedValues<'_>),
    ) {
        if RecordingGuard::is_active() {
            return;
        }
        plans.mark_seen(plan);
        let start = if plan.has_duration { self.now() } else { 0 };
        let mut values = CapturedValues::new(&plan.captures);
        if !plan.captures.all.is_empty() {
            attributes.record(&mut values);
            inherit(&mut values);
        }
        let Some(state) = self.open.claim(id) else {
            return;
        };
        state.open(callsite, start, &values.ids);
        if !plan.is_simple {
            state.open_further(thread::panicking());
            if plan.is_recorded_at_creation {
                state.set_in_flight(record_creation(plan, &values.ids));
            }
        }
    }

    /// Reads the fields that were recorded after the span was created.
    pub(crate) fn update(&self, plans: &Plans, id: &Id, fields: &Record<'_>) {
        if let Some((state, plan)) = self.find(plans, id) {
            let mut values = CapturedValues::new(&plan.captures);
            fields.record(&mut values);
            values.present().for_each(|(slot, id)| state.set_value(slot, id));
        }
    }

    #[inline]
    pub(crate) fn enter(&self, plans: &Plans, id: &Id) {
        (self.on.enter)(self, plans, id);
    }

    fn enter_with_exemplars(&self, plans: &Plans, id: &Id) {
        self.bridge.enter(&self.open, id);
        if thread::panicking() || plans.rule_set().measures_entries() {
            self.measure_entry(plans, id);
        }
    }

    fn measure_entry(&self, plans: &Plans, id: &Id) {
        if let Some((state, plan)) = self.find(plans, id) {
            if thread::panicking() {
                state.enter_unwinding();
            }
            if plan.needs_entries {
                state.enter(|| self.now());
            }
        }
    }

    #[inline]
    pub(crate) fn exit(&self, plans: &Plans, id: &Id) {
        (self.on.exit)(self, plans, id);
    }

    fn exit_with_exemplars(&self, plans: &Plans, id: &Id) {
        self.bridge.exit(plans, &self.open, id);
        let rule_set = plans.rule_set();
        let future_ended = rule_set.has_outcome() && has_future_outcome();
        if thread::panicking() || rule_set.measures_entries() || future_ended {
            self.measure_exit(plans, id);
        }
    }

    fn measure_exit(&self, plans: &Plans, id: &Id) {
        if let Some((state, plan)) = self.find(plans, id) {
            if plan.needs_entries {
                state.exit(self.now());
            }
            if thread::panicking() {
                state.exit_unwinding();
            }
            if let Some(outcome) = future_outcome(id) {
                state.set_future_outcome(outcome, thread::panicking());
            }
        }
    }

    /// Records the close of a span, and removes its state.
    #[inline]
    pub(crate) fn close(&self, plans: &Plans, id: &Id) {
        if let Some(open) = self.open.find(id) {
            (self.on.close)(self, plans, open);
        }
    }

    fn take_and_record_with_exemplars(&self, plans: &Plans, open: OpenSpan<'_>) {
        let span = self.bridge.take(&self.open, &open.id(), open.state());
        let record = || self.take_and_record(plans, open);
        match self.exemplars {
            Some(exemplars) => exemplars.measure(span, record),
            None => record(),
        }
    }

    #[inline(never)]
    fn take_and_record(&self, plans: &Plans, open: OpenSpan<'_>) {
        let plan = plans.get(open.state().callsite());
        match plan.and_then(|plan| Some((plan.has_duration, plan.simple_span()?))) {
            Some((has_duration, rule)) => {
                let end = if has_duration { self.now() } else { 0 };
                let (start, ids) = open.take_simple();
                record_simple_close(rule, &ids, end.saturating_sub(start));
            }
            None => self.take_and_record_any(plan, open),
        }
    }

    #[inline(never)]
    fn take_and_record_any(&self, plan: Option<&Plan>, open: OpenSpan<'_>) {
        let span = open.take(|| self.now());
        if let Some(plan) = plan {
            let end = if plan.has_duration { self.now() } else { 0 };
            record_close(plan, &span, end, thread::panicking());
        }
    }

    /// Removes all open spans from their in-flight gauges, because the subscriber is dropped, and they never close.
    pub(crate) fn abandon(&self, plans: &Plans) {
        for state in self.open.iter() {
            if let Some(plan) = plans.get(state.callsite()) {
                if let Some(_guard) = RecordingGuard::start() {
                    leave_in_flight(plan, state.in_flight());
                }
            }
        }
    }

    /// The state and the plan of an open span.
    #[inline]
    pub(crate) fn find<'a>(
        &'a self,
        plans: &'a Plans,
        id: &Id,
    ) -> Option<(&'a AtomicSpanState, &'a Plan)> {
        let state = self.open.get(id)?;
        Some((state, plans.get(state.callsite())?))
    }

    /// The OpenTelemetry span of an open span, as far as it is known.
    pub(crate) fn sampled_span(&self, id: &Id) -> Option<SpanIds> {
        self.bridge.known(&self.open, id)
    }

    /// Fills in each missing value from the nearest ancestor that has one.
    #[cold]
    pub(crate) fn inherit<S>(
        &self,
        plans: &Plans,
        values: &mut CapturedValues<'_>,
        mut ancestor: Option<SpanRef<'_, S>>,
    ) where
        S: for<'span> LookupSpan<'span>,
    {
        while let Some(span) = ancestor.filter(|_| values.missing().next().is_some()) {
            if let Some((state, plan)) = self.find(plans, &span.id()) {
                let ids = state.ids();
                for (slot, capture) in values.missing() {
                    let id = plan.slot_of(&capture.values).map_or(MISSING, |slot| ids.get(slot));
                    if id != MISSING {
                        values.set(slot, id);
                    }
                }
            }
            ancestor = span.parent();
        }
    }

    /// Nanoseconds since the layer was built. They are enough for 584 years.
    #[inline]
    fn now(&self) -> u64 {
        let elapsed = self.built.elapsed();
        elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos())
    }
}

/// Records the creation of a span. Returns the series in which it is in flight, for [`SpanState::in_flight`].
#[inline(never)]
fn record_creation(plan: &Plan, ids: &ValueIds) -> InFlight {
    match plan.exemplars {
        None => record_each_creation(plan, ids),
        Some(exemplars) => {
            let mut in_flight = InFlight::default();
            // Its OpenTelemetry span has not started yet.
            exemplars.measure(None, || in_flight = record_each_creation(plan, ids));
            in_flight
        }
    }
}

/// Inlined, so that without exemplars there is no further call.
#[inline(always)]
fn record_each_creation(plan: &Plan, ids: &ValueIds) -> InFlight {
    let mut in_flight = [0; MAX_IN_FLIGHT_GAUGES];
    let Some(_guard) = RecordingGuard::start() else {
        return in_flight;
    };
    let mut free = in_flight.iter_mut();
    for SpanPlan { metrics, label_slots, .. } in &plan.spans {
        if !metrics.is_recorded_at_creation {
            continue;
        }
        if let Some(index) = recording::span_created(metrics, SeriesKey::new(ids, label_slots)) {
            // There is a free one: this was checked when the layer was built.
            free.by_ref().take(1).for_each(|series| *series = index as u32 + 1);
        }
    }
    in_flight
}

/// Records the close of a span of a [simple](Plan::is_simple) plan.
#[inline(always)]
fn record_simple_close(plan: &SpanPlan, ids: &ValueIds, nanoseconds: u64) {
    // If this thread already records, there is nothing to do: see `record_close`.
    let Some(_guard) = RecordingGuard::start() else {
        return;
    };
    let key = SeriesKey::new(ids, &plan.label_slots);
    recording::span_closed(&plan.metrics, key, recording::NO_OUTCOME, || nanoseconds);
}

/// Records the close of a span, at the time `end`. If this thread already records, only the in-flight gauges are updated: their
/// series exist, so subtracting from them creates nothing and logs nothing.
fn record_close(plan: &Plan, span: &SpanState, end: u64, unwinding: bool) {
    let guard = RecordingGuard::start();
    if span.in_flight != [0; MAX_IN_FLIGHT_GAUGES] {
        leave_in_flight(plan, span.in_flight);
    }
    if guard.is_none() {
        return;
    }
    for SpanPlan { metrics, label_slots, outcome_fields, .. } in &plan.spans {
        if !metrics.is_recorded_at_close() {
            continue;
        }
        let outcome = match metrics.outcome {
            Some(_) => outcome(outcome_fields, span, unwinding),
            None => recording::NO_OUTCOME,
        };
        let key = SeriesKey::new(&span.ids, label_slots);
        recording::span_closed(metrics, key, outcome, || nanoseconds(metrics, span, end));
    }
}

/// Subtracts from each series to which the creation added, even if other label values were recorded since.
fn leave_in_flight(plan: &Plan, in_flight: [u32; MAX_IN_FLIGHT_GAUGES]) {
    let gauges = plan.spans.iter().filter(|span| span.metrics.instruments.in_flight.is_some());
    for (SpanPlan { metrics, .. }, series) in gauges.zip(in_flight) {
        if let Some(index) = (series as usize).checked_sub(1) {
            recording::in_flight_ended(metrics, index);
        }
    }
}

/// Not inlined: otherwise the compiler computes most of it for every span, even if no rule has an outcome.
#[inline(never)]
fn outcome(fields: &[(OutcomeField, u8)], span: &SpanState, unwinding: bool) -> SpanOutcome {
    let decided = |(field, slot): &(OutcomeField, u8)| field.outcome(&span.ids, usize::from(*slot));
    fields.iter().find_map(decided).unwrap_or_else(|| span.flags.outcome(unwinding))
}

fn nanoseconds(metrics: &SpanMetrics, span: &SpanState, end: u64) -> u64 {
    let until_close = end.saturating_sub(span.start);
    match metrics.span_duration {
        SpanDuration::UntilLastExit if span.last_exit > 0 => {
            span.last_exit.saturating_sub(span.start)
        }
        SpanDuration::UntilLastExit | SpanDuration::UntilClose => until_close,
        SpanDuration::Busy => span.busy.min(until_close),
    }
}
