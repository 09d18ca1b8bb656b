//! A subscriber with both layers.

use crate::exemplar_support::{ExemplarMeters, Ids, Place};
use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState,
    TracerProvider,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, SamplingDecision, SamplingResult, SdkTracerProvider, ShouldSample,
    SimpleSpanProcessor,
};
use std::any::TypeId;
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use tracing::{Dispatch, Metadata, Span, Subscriber, info, info_span};
use tracing_asdlc_metrics::{Label, Outcome, Rule, SpanDuration};
use tracing_subscriber::filter::{dynamic_filter_fn, filter_fn};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, registry, reload};

/// Whether a span with this number is sampled: about half of them are.
pub(crate) fn is_sampled(n: u64) -> bool {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 63 == 1
}

pub(crate) fn numbered(n: u64) -> Span {
    info_span!("job", n, sampled = is_sampled(n))
}

pub(crate) fn job(n: u64) -> Span {
    info_span!("job", n, sampled = true)
}

pub(crate) fn unsampled(n: u64) -> Span {
    info_span!("job", n, sampled = false)
}

/// Which layer is called first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    TracesFirst,
    MetricsFirst,
}

#[derive(Clone, Copy)]
pub(crate) struct Setup {
    /// Whether the layer of `tracing-opentelemetry` makes spans current.
    pub(crate) activates: bool,
    pub(crate) kind: Kind,
    /// Whether the sampler opens a span and emits an event itself.
    pub(crate) sampler_traces: bool,
    /// Whether our layer measures entries and exits, too.
    pub(crate) has_busy: bool,
}

/// How the layer of `tracing-opentelemetry` is added.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// As it is.
    Plain,
    /// Some callsites are hidden from it.
    Filtered(fn(&Metadata<'_>) -> bool),
    /// [`HIDDEN`] says whether a span is hidden from it.
    FilteredEach,
    /// It cannot be found.
    Reloadable,
    /// A layer around it, which makes `tracing-opentelemetry` panic when somebody asks for a span.
    Broken,
}

thread_local! {
    /// Whether the new spans of this thread are hidden from a layer that is [`Kind::FilteredEach`].
    pub(crate) static HIDDEN: Cell<bool> = const { Cell::new(false) };
    /// How often a layer that is [`Kind::Broken`] has panicked on this thread.
    pub(crate) static BROKEN: Cell<u32> = const { Cell::new(0) };
}

impl Default for Setup {
    fn default() -> Self {
        Self { activates: true, kind: Kind::Plain, sampler_traces: false, has_busy: true }
    }
}

/// A subscriber with both layers, and what they have recorded.
pub(crate) struct Test {
    pub(crate) meters: ExemplarMeters,
    pub(crate) traces: InMemorySpanExporter,
    pub(crate) subscriber: Dispatch,
    pub(crate) order: Order,
    has_busy: bool,
    /// Not dropped before, because a dropped provider shuts down.
    provider: SdkTracerProvider,
}

impl Test {
    pub(crate) fn both() -> [Self; 2] {
        Self::with_both(Setup::default())
    }

    pub(crate) fn with_both(setup: Setup) -> [Self; 2] {
        [Order::TracesFirst, Order::MetricsFirst].map(|order| Self::new(setup, order))
    }

    fn new(setup: Setup, order: Order) -> Self {
        let traces = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(SimpleSpanProcessor::new(traces.clone()))
            .with_sampler(ByField { traces: setup.sampler_traces })
            .build();
        let meters = ExemplarMeters::trace_based();
        let n = || Label::field("n").with_max_values(1_000);
        let rule = Rule::span("job")
            .with_opened_counter("opened")
            .with_counter("closed")
            .with_duration("seconds")
            .with_outcome(Outcome::label("outcome"))
            .with_label(n());
        let busy = Rule::span("job")
            .with_duration("busy")
            .with_span_duration(SpanDuration::Busy)
            .with_label(n());
        let rules = [
            Some(rule),
            setup.has_busy.then_some(busy),
            Some(Rule::events().with_counter("events")),
        ];
        let metrics = meters.layer(rules.into_iter().flatten());
        let subscriber = match order {
            Order::TracesFirst => {
                Dispatch::new(registry().with(layer(&provider, setup)).with(metrics))
            }
            Order::MetricsFirst => {
                Dispatch::new(registry().with(metrics).with(layer(&provider, setup)))
            }
        };
        Self { meters, traces, subscriber, order, has_busy: setup.has_busy, provider }
    }

    /// Checks that the metrics of the spans with these numbers have exemplars, with the ids of these spans, and no others have.
    #[track_caller]
    pub(crate) fn check(&self, expected: &[u64]) {
        self.provider.force_flush().expect("no shutdown");
        let mut numbers = HashMap::<Ids, u64>::new();
        for span in self.traces.get_finished_spans().expect("no shutdown") {
            let context = &span.span_context;
            let number = text(&span.attributes, "n").and_then(|n| n.parse().ok());
            numbers.insert((context.trace_id(), context.span_id()), number.expect("a number"));
        }
        let mut found = BTreeMap::<String, Vec<u64>>::new();
        for measurement in self.meters.measured() {
            match measurement.place {
                Place::Said(None) => {}
                Place::Said(Some(span)) if SPAN_METRICS.contains(&&*measurement.instrument) => {
                    let of_trace = numbers.get(&span).copied();
                    let number = text(&measurement.attributes, "n").expect("a label");
                    // The value of the label is `other` beyond its limit.
                    let is_own = number == "other" || number.parse().ok() == of_trace;
                    assert!(is_own, "{:?}: {measurement:?} is of {of_trace:?}", self.order);
                    found.entry(measurement.instrument).or_default().extend(of_trace);
                }
                _ => assert_eq!(measurement.instrument, "events", "{:?}", self.order),
            }
        }
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        for instrument in SPAN_METRICS.into_iter().filter(|it| self.has_busy || *it != "busy") {
            let mut found = found.remove(instrument).unwrap_or_default();
            found.sort_unstable();
            assert_eq!(found, expected, "{:?}, {instrument}", self.order);
        }
    }
}

/// The metrics that are recorded when a span closes.
const SPAN_METRICS: [&str; 3] = ["closed", "seconds", "busy"];

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let pair = attributes.iter().find(|pair| pair.key.as_str() == key)?;
    Some(pair.value.as_str().into_owned())
}

fn layer<S>(provider: &SdkTracerProvider, setup: Setup) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let layer = layer.with_context_activation(setup.activates);
    match setup.kind {
        Kind::Plain => layer.boxed(),
        Kind::Filtered(is_seen) => layer.with_filter(filter_fn(is_seen)).boxed(),
        Kind::FilteredEach => layer.with_filter(dynamic_filter_fn(|_, _| !HIDDEN.get())).boxed(),
        Kind::Reloadable => reload::Layer::new(layer).0.boxed(),
        Kind::Broken => Broken(layer).boxed(),
    }
}

/// A layer whose type hides that of the layer in it. `tracing-opentelemetry` calls this a bug.
struct Broken<L>(L);

impl<S: Subscriber, L: Layer<S> + 'static> Layer<S> for Broken<L> {
    fn on_new_span(
        &self,
        attributes: &tracing::span::Attributes<'_>,
        id: &tracing::Id,
        context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        self.0.on_new_span(attributes, id, context);
    }

    fn on_enter(&self, id: &tracing::Id, context: tracing_subscriber::layer::Context<'_, S>) {
        self.0.on_enter(id, context);
    }

    fn on_exit(&self, id: &tracing::Id, context: tracing_subscriber::layer::Context<'_, S>) {
        self.0.on_exit(id, context);
    }

    fn on_close(&self, id: tracing::Id, context: tracing_subscriber::layer::Context<'_, S>) {
        self.0.on_close(id, context);
    }

    #[expect(unsafe_code, reason = "there is no other way to be found, or not")]
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            return Some(std::ptr::from_ref(self).cast());
        }
        if id == TypeId::of::<L>() {
            BROKEN.set(BROKEN.get() + 1);
            return None;
        }
        // SAFETY: the pointer is valid for as long as the layer, which is a field.
        unsafe { self.0.downcast_raw(id) }
    }
}

/// Samples a span if its field `sampled` is true.
#[derive(Clone, Debug)]
struct ByField {
    /// Whether it opens a span and emits an event itself.
    traces: bool,
}

impl ShouldSample for ByField {
    fn should_sample(
        &self,
        _: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        attributes: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        if self.traces && attributes.iter().all(|pair| pair.value.as_str() != "99") {
            info!("an event of the sampler");
            info_span!("job", n = 99, sampled = true)
                .in_scope(|| info!("in a span of the sampler"));
        }
        let is_sampled =
            |pair: &KeyValue| pair.key.as_str() == "sampled" && pair.value == Value::Bool(true);
        let decision = if attributes.iter().any(is_sampled) {
            SamplingDecision::RecordAndSample
        } else {
            SamplingDecision::Drop
        };
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::default() }
    }
}

/// A sampled span of another process.
pub(crate) fn remote(n: u64) -> SpanContext {
    let (trace, span) = (TraceId::from(u128::from(n)), SpanId::from(n));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default())
}

/// Makes a span current that `tracing` does not know.
pub(crate) fn attach(is_sampled: bool) -> opentelemetry::ContextGuard {
    let span = remote(1_000_000);
    let flags = TraceFlags::default().with_sampled(is_sampled);
    let span =
        SpanContext::new(span.trace_id(), span.span_id(), flags, true, TraceState::default());
    Context::new().with_remote_span_context(span).attach()
}
