//! What to do with the spans of a callsite, resolved once: no string is compared for a span.

use crate::callsite::{CallsiteId, Callsites};
use crate::instruments::Series;
use crate::rule::Rule;
use tracing_core::{Interest, LevelFilter, Metadata};
use tracing_subscriber::layer::{Context, Filter};

/// The rules, and the plan of every span callsite seen so far.
///
/// As a [`Filter`] it is what the rest of the subscriber learns about this layer: which callsites it wants.
#[derive(Debug)]
pub(crate) struct Plans {
    rules: Vec<(Rule, Series)>,
    callsites: Callsites<Option<Box<Plan>>>,
}

impl Plans {
    pub(crate) fn new(rules: Vec<Rule>, series: Vec<Series>) -> Self {
        Self { rules: rules.into_iter().zip(series).collect(), callsites: Callsites::new() }
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|(rule, _)| rule)
    }

    /// The most verbose level that a rule looks at.
    pub(crate) fn max_level(&self) -> LevelFilter {
        self.rules().map(Rule::max_level).max().unwrap_or(LevelFilter::OFF)
    }

    /// The plan for spans of this callsite, `None` when no rule matches.
    ///
    /// Resolves the callsite when it is new. Mostly `register_callsite` has done so, but a thread that meets a callsite
    /// while another one is registering it creates its span before that is done.
    pub(crate) fn find(&self, metadata: &'static Metadata<'static>) -> Option<(CallsiteId, &Plan)> {
        let (id, plan) = self.callsites.get_or_insert_with(metadata, || self.resolve(metadata));
        Some((id, plan.as_deref()?))
    }

    pub(crate) fn get(&self, id: CallsiteId) -> Option<&Plan> {
        self.callsites.get(id)?.as_deref()
    }

    fn resolve(&self, metadata: &Metadata<'_>) -> Option<Box<Plan>> {
        if is_opentelemetry(metadata.target()) {
            return None;
        }
        let series: Box<[_]> = self
            .rules
            .iter()
            .filter(|(rule, _)| rule.matches(metadata))
            .map(|(_, series)| series.clone())
            .collect();
        let timed = series.iter().any(|series| series.duration.is_some());
        (!series.is_empty()).then(|| Box::new(Plan { series, timed }))
    }
}

impl<S> Filter<S> for Plans {
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_span() && self.find(metadata).is_some() {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        // Never asked: see `SpanMetricsLayer::on_layer`.
        true
    }
}

/// What the spans of one callsite give.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) series: Box<[Series]>,
    /// Whether any of them needs the span's duration.
    pub(crate) timed: bool,
}

/// The SDK's own spans, as its crates name their targets.
fn is_opentelemetry(target: &str) -> bool {
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
