use crate::error::BuildError;
use crate::instruments;
use crate::plan::Plans;
use crate::recording;
use crate::rule::Rule;
use crate::span::{OpenSpan, OpenSpans};
use opentelemetry::metrics::Meter;
use std::any::TypeId;
use std::fmt;
use std::ptr;
use std::time::{Duration, Instant};
use tracing_core::span::{Attributes, Id};
use tracing_core::{Interest, LevelFilter, Metadata, Subscriber};
use tracing_subscriber::filter::Filtered;
use tracing_subscriber::layer::{Context, Identity, Layer};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// A [`Layer`] that measures the spans which its [`Rule`]s match.
///
/// ```
/// use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
/// use tracing_subscriber::prelude::*;
/// # fn build(meter: opentelemetry::metrics::Meter) -> Result<(), tracing_asdlc_metrics::BuildError> {
///
/// let metrics = SpanMetricsLayer::new(
///     &meter,
///     [Rule::span("checkout").with_counter("checkouts_total").with_duration("checkout_duration_seconds")],
/// )?;
/// let subscriber = tracing_subscriber::registry().with(metrics).with(tracing_subscriber::fmt::layer());
/// # Ok(()) }
/// ```
///
/// It can stand anywhere in the stack. One layer belongs to one subscriber, whose span ids it knows, so it is not `Clone`: for
/// two subscribers build two, from the same meter and rules; they record into the same metrics.
///
/// # Panics
///
/// Adding it to a subscriber panics where `with_filter` does: when the stack has no [`Registry`] at its root, or already 64
/// filters. Measuring never panics.
pub struct SpanMetricsLayer {
    /// Stands in for this layer where layers negotiate which callsites are enabled; no span goes through it.
    filtered: Filtered<Identity, Plans, Registry>,
    open: OpenSpans,
    built: Instant,
}

impl SpanMetricsLayer {
    /// Checks the rules, and creates their instruments at once, in this meter and nowhere else.
    ///
    /// # Errors
    ///
    /// The error names the rule and what is wrong with it:
    ///
    /// - the span's name is empty, or the rule gives no metric;
    /// - a metric's name is not a letter followed by up to 254 of `A-Z a-z 0-9 _ . - /`, the last a letter or a digit;
    /// - a name is a counter and a histogram, or has two lists of boundaries, or two spellings that are one name to a backend
    ///   (`jobs.done`, `Jobs_done`), or is given twice for the spans of one name;
    /// - boundaries are empty, not finite, not above 0 or not ascending, or there is no histogram for them.
    ///
    /// What the meter's provider itself may refuse (a view, another instrument of that name) it does not tell: it logs.
    pub fn new(meter: &Meter, rules: impl IntoIterator<Item = Rule>) -> Result<Self, BuildError> {
        let rules: Vec<_> = rules.into_iter().collect();
        let series = instruments::create(meter, &rules)?;
        Ok(Self {
            filtered: Filtered::new(Identity::new(), Plans::new(rules, series)),
            open: OpenSpans::new(),
            built: Instant::now(),
        })
    }

    fn plans(&self) -> &Plans {
        self.filtered.filter()
    }

    /// Nanoseconds since this layer was built: 584 years fit.
    fn now(&self) -> u64 {
        u64::try_from(self.built.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl<S> Layer<S> for SpanMetricsLayer
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_layer(&mut self, subscriber: &mut S) {
        // The registry listens to filters once there is one. The id itself is of no use: it stands for a bit that `enabled`
        // sets and the next span or event of the thread consumes. When another layer refuses that span, or nothing follows
        // (`enabled!`), the bit is stale, and the next matched span would be lost. So `enabled` stays `true` here, no bit is
        // ever set, and the hooks below ask the plan.
        let _ = subscriber.register_filter();
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        Layer::<Registry>::register_callsite(&self.filtered, metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.plans().max_level())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        // The plan decides, not whether someone enabled the span: another layer may have wanted it.
        let Some((callsite, plan)) = self.plans().find(attributes.metadata()) else {
            return;
        };
        if !recording::in_progress() {
            let start = if plan.timed { self.now() } else { 0 };
            self.open.insert(id, OpenSpan { callsite, start });
        }
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        let Some(OpenSpan { callsite, start }) = self.open.take(&id) else {
            return;
        };
        if let Some(plan) = self.plans().get(callsite) {
            let elapsed =
                plan.timed.then(|| Duration::from_nanos(self.now().saturating_sub(start)));
            recording::record(&plan.series, elapsed);
        }
    }

    #[expect(
        unsafe_code,
        reason = "the one way to say that `register_callsite` and `max_level_hint` speak for this layer alone; without it \
                  they would switch off spans and levels for the whole subscriber"
    )]
    unsafe fn downcast_raw(&self, id: TypeId) -> Option<*const ()> {
        if id == TypeId::of::<Self>() {
            return Some(ptr::from_ref(self).cast());
        }
        // SAFETY: the contract is that the pointer is to a value of the type asked for, which lives as long as `self`.
        // `Filtered` keeps it for itself and its fields, and it is a field of `self`.
        unsafe { Layer::<Registry>::downcast_raw(&self.filtered, id) }
    }
}

impl fmt::Debug for SpanMetricsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanMetricsLayer")
            .field("rules", &self.plans().rules().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
