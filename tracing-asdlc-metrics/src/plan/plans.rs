//! The plan of each callsite, and which callsites the layer wants.

use crate::plan::callsites::{CallsiteId, Callsites};
use crate::plan::plan::Plan;
use crate::plan::resolve::resolve;
use crate::plan::rule_set::RuleSet;
use tracing_core::{Interest, Metadata};
use tracing_subscriber::layer::{Context, Filter};

/// The rules, and the plan of each callsite so far.
///
/// As a [`Filter`] it tells the rest of the subscriber which callsites the layer wants.
#[derive(Debug)]
pub(crate) struct Plans {
    rule_set: RuleSet,
    callsites: Callsites<Option<Box<Plan>>>,
}

impl Plans {
    pub(crate) fn new(rule_set: RuleSet) -> Self {
        Self { rule_set, callsites: Callsites::new() }
    }

    pub(crate) fn rule_set(&self) -> &RuleSet {
        &self.rule_set
    }

    /// The plan of this callsite; `None` if no rule needs it.
    ///
    /// Resolves a new callsite. Usually `register_callsite` has done so. But a thread can create a span while another thread is
    /// still registering its callsite.
    #[inline]
    pub(crate) fn find(&self, metadata: &'static Metadata<'static>) -> Option<(CallsiteId, &Plan)> {
        let (id, plan) =
            self.callsites.get_or_resolve(metadata, || resolve(&self.rule_set, metadata))?;
        Some((id, plan.as_deref()?))
    }

    /// As [`find`](Self::find), but only if that takes one step. `None` means that `find` must be called.
    #[inline]
    pub(crate) fn find_at_once(
        &self,
        metadata: &'static Metadata<'static>,
    ) -> Option<(CallsiteId, Option<&Plan>)> {
        let (id, plan) = self.callsites.get_at_once(metadata)?;
        Some((id, plan.as_deref()))
    }

    #[inline]
    pub(crate) fn get(&self, id: CallsiteId) -> Option<&Plan> {
        self.callsites.get(id)?.as_deref()
    }

    /// Notes that a span or event of this plan has reached the layer.
    #[inline]
    pub(crate) fn mark_seen(&self, plan: &Plan) {
        if !plan.seen.is_set() {
            self.mark_first_seen(plan);
        }
    }

    #[cold]
    fn mark_first_seen(&self, plan: &Plan) {
        plan.seen.set();
        plan.rules().for_each(|rule| self.rule_set.coverage().matched(rule));
    }
}

impl<S> Filter<S> for Plans {
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.find(metadata).is_some() { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        // Never called, because `SpanMetricsLayer` does not call `Filtered::enabled`: see `SpanMetricsLayer::on_layer`.
        true
    }
}
