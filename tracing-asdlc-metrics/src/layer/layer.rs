use crate::coverage::Coverage;
use crate::error::BuildError;
use crate::layer::events;
use crate::layer::meter_source::MeterSource;
use crate::layer::metered::has_future_outcome;
use crate::layer::spans::Spans;
use crate::plan::plans::Plans;
use crate::plan::rule_set::RuleSet;
use crate::rule::rule::Rule;
use std::any::{self, TypeId};
use std::fmt;
use std::ptr;
use std::thread;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Event, Interest, LevelFilter, Metadata, Subscriber};
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::{Context, Identity, Layer};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// A [`Layer`] that records metrics for the spans and events that its [`Rule`]s match.
///
/// ```
/// use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
/// use tracing_subscriber::prelude::*;
/// # fn build(provider: opentelemetry_sdk::metrics::SdkMeterProvider) -> Result<(), tracing_asdlc_metrics::BuildError> {
///
/// let metrics = SpanMetricsLayer::new(
///     &provider,
///     [Rule::span("checkout").with_counter("checkouts_total").with_duration("checkout_duration_seconds")],
/// )?;
/// let subscriber = tracing_subscriber::registry().with(metrics).with(tracing_subscriber::fmt::layer());
/// # Ok(()) }
/// ```
///
/// The layer can be at any position among other layers. It belongs to one subscriber, because it stores the state of spans by
/// their ids; therefore it is not `Clone`. For two subscribers, build two layers from the same meter and rules. They record into
/// the same metrics.
///
/// # Panics
///
/// Adding the layer to a subscriber panics in the same cases as `with_filter`: if the root of the subscriber is not a [`Registry`]
/// (or `tracing_subscriber::fmt().finish()`), or if the subscriber already has 64 filters. Recording never panics.
pub struct SpanMetricsLayer {
    /// Tells the subscriber which callsites and levels this layer wants. Spans and events do not pass through it.
    filtered: Filtered<Identity, Plans, Registry>,
    spans: Spans,
    /// Whether the filter of `filtered` is registered with the subscriber.
    has_filter: bool,
}

impl SpanMetricsLayer {
    /// Checks the rules, and creates their instruments in `meter`, which is a [meter or a meter provider](MeterSource). (The
    /// instruments of [prefixed fields](Rule::prefixed_fields) are created later.)
    ///
    /// # Errors
    ///
    /// The error names the rule, what is invalid, and what is allowed. A rule is refused if
    ///
    /// - a name or a target is empty, it has no metric, or it has a method of another kind of rule;
    /// - a method is called twice;
    /// - a metric's name does not start with a letter, does not end with a letter or a digit, has characters other than
    ///   `A-Z a-z 0-9 _ . - /`, or has more than 255 characters;
    /// - one metric has two kinds, two units or two lists of boundaries; its name has two spellings that a metrics backend does
    ///   not distinguish (`jobs.done`, `Jobs_done`); or two rules record it for the same spans or events. A name with and without
    ///   [its unit and `_total`](crate#names-and-units) is one name;
    /// - the unit of the rule contradicts the unit at the end of a metric's name;
    /// - its boundaries are empty, not finite, not increasing, or not above 0 (for a duration); there is no histogram for them;
    ///   or a histogram with another unit than `s` has no boundaries;
    /// - its series limit is out of range, or above its share if several rules record into one metric;
    /// - a label key is not valid or is used twice; a limit of a label is out of range; there are more than eight labels, or too
    ///   many for one span;
    /// - it has a unit, an outcome or a [`SpanDuration`](crate::SpanDuration) without a metric for it.
    ///
    /// The meter's provider may refuse an instrument too (because of a view, or another instrument with its name). It does not
    /// report that to the layer; it logs it.
    pub fn new<K>(
        meter: &(impl MeterSource<K> + ?Sized),
        rules: impl IntoIterator<Item = Rule>,
    ) -> Result<Self, BuildError> {
        let rule_set = RuleSet::new(&meter.to_meter(), rules.into_iter().collect())?;
        Ok(Self {
            spans: Spans::new(&rule_set),
            filtered: Filtered::new(Identity::new(), Plans::new(rule_set)),
            has_filter: true,
        })
    }

    /// Returns a handle that reports which rules have matched. It also works after the layer was added to its subscriber.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        self.plans().rule_set().coverage().clone()
    }

    fn plans(&self) -> &Plans {
        self.filtered.filter()
    }

    /// Stores the state of a new span in any case, also if its callsite is new or its labels may be inherited.
    #[inline(never)]
    fn create_span<S>(&self, attributes: &Attributes<'_>, id: &Id, context: &Context<'_, S>)
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        if let Some(plan) = self.plans().find(attributes.metadata()) {
            let parent = || context.span(id).and_then(|span| span.parent());
            self.spans.create_with_ancestors(self.plans(), plan, attributes, id, parent);
        }
    }
}

impl<S> Layer<S> for SpanMetricsLayer
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        self.spans.register(subscriber);
    }

    fn on_layer(&mut self, subscriber: &mut S) {
        self.has_filter = has_filters::<S>();
        if !self.has_filter {
            return;
        }
        // The registry uses the interest of filters only if a filter is registered. The id of this filter is not used. With the
        // id, `Filtered::enabled` would set a bit for the thread, and the next span or event of the thread would clear it. If
        // another layer refuses that span, or if no span follows (`enabled!`), the bit would remain, and the next matched span
        // would be lost. Therefore this layer does not call `Filtered::enabled`. Its own `enabled` is the default, which
        // returns `true`. No bit is ever set, and the methods below ask the plan.
        let _ = subscriber.register_filter();
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.has_filter {
            Layer::<Registry>::register_callsite(&self.filtered, metadata)
        } else {
            self.plans().find(metadata);
            Interest::always()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.plans().rule_set().max_level())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        // The plan decides, not whether the span is enabled: it may be enabled for another layer.
        match self.plans().find_at_once(attributes.metadata()) {
            Some((_, None)) => {}
            Some((callsite, Some(plan))) if !plan.inherits => {
                self.spans.create(self.plans(), (callsite, plan), attributes, id);
            }
            _ => self.create_span(attributes, id, &context),
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        self.spans.update(self.plans(), id, values);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        events::handle(self.plans(), &self.spans, event, &context);
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        let rule_set = self.plans().rule_set();
        if rule_set.observes_entries() && (rule_set.needs_entries() || thread::panicking()) {
            self.spans.enter(self.plans(), id);
        }
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        let rule_set = self.plans().rule_set();
        if !rule_set.observes_entries() {
            return;
        }
        // Only outcomes need to know how a future ended.
        let future_ended = rule_set.has_outcome() && has_future_outcome();
        if thread::panicking() || rule_set.needs_entries() || future_ended {
            self.spans.exit(self.plans(), id);
        }
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.spans.close(self.plans(), &id);
    }

    #[expect(
        unsafe_code,
        reason = "the only way to say that `register_callsite` and `max_level_hint` are about this layer alone; without it \
                  they would disable spans and levels for the whole subscriber"
    )]
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            return Some(ptr::from_ref(self).cast());
        }
        if !self.has_filter {
            return None;
        }
        // SAFETY: the pointer must be to a value of the requested type that lives as long as `self`. `Filtered` guarantees this
        // for itself and its fields, and it is a field of `self`.
        unsafe { Layer::<Registry>::downcast_raw(&self.filtered, id) }
    }
}

/// Whether filters can be registered with such a subscriber.
///
/// `fmt().finish()` has a registry, but does not pass filters on to it: the default of `LookupSpan::register_filter` panics. There is
/// no method that says so, so the type is recognised by its name. Such a subscriber wants each span and event that its own global
/// filter accepts, so this layer does not need to say which ones it wants.
fn has_filters<S>() -> bool {
    !any::type_name::<S>().contains("tracing_subscriber::fmt::Subscriber<")
}

/// Removes the spans that never close from their in-flight gauges: the last child of such a span was dropped while another
/// subscriber was the default. (Any other open span has a handle, which keeps the subscriber and this layer alive.)
impl Drop for SpanMetricsLayer {
    fn drop(&mut self) {
        self.spans.abandon(self.plans());
    }
}

impl fmt::Debug for SpanMetricsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules: Vec<_> = self.plans().rule_set().iter().map(|(rule, _)| rule).collect();
        f.debug_struct("SpanMetricsLayer").field("rules", &rules).finish_non_exhaustive()
    }
}
