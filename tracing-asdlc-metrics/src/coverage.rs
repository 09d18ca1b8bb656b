use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Which rules of a [`SpanMetricsLayer`](crate::SpanMetricsLayer) have found a span or event to measure: a misspelt name is
/// otherwise only seen as a metric that stays at 0.
///
/// ```
/// use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
/// use tracing_subscriber::prelude::*;
/// # let meter = opentelemetry::global::meter("docs");
///
/// let rules = [Rule::span("checkout"), Rule::span("chekout")].map(|rule| rule.with_counter("checkouts_total"));
/// let metrics = SpanMetricsLayer::new(&meter, rules)?;
/// let coverage = metrics.coverage();
/// tracing::subscriber::with_default(tracing_subscriber::registry().with(metrics), || {
///     drop(tracing::info_span!("checkout"));
/// });
/// assert_eq!(coverage.unmatched(), ["rule 2, span \"chekout\""]);
/// # Ok::<(), tracing_asdlc_metrics::BuildError>(())
/// ```
///
/// A clone tells the same.
#[derive(Clone, Debug)]
pub struct Coverage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// What each rule is, and whether it has matched.
    rules: Vec<(String, AtomicBool)>,
    refused: Mutex<BTreeSet<String>>,
}

impl Coverage {
    pub(crate) fn new(rules: impl IntoIterator<Item = String>) -> Self {
        let rules = rules.into_iter().map(|rule| (rule, AtomicBool::new(false))).collect();
        Self(Arc::new(Inner { rules, refused: Mutex::default() }))
    }

    /// The rules that have matched no callsite so far. A callsite is known from the first time it is reached: ask when the
    /// program has done its work once.
    #[must_use]
    pub fn unmatched(&self) -> Vec<&str> {
        let rules = self.0.rules.iter();
        rules
            .filter(|(_, matched)| !matched.load(Ordering::Relaxed))
            .map(|(rule, _)| &**rule)
            .collect()
    }

    /// The metrics of [`Rule::prefixed_fields`](crate::Rule::prefixed_fields) that were left out so far, each with the reason.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(crate) fn matched(&self, rule: usize) {
        if let Some((_, matched)) = self.0.rules.get(rule) {
            matched.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn refuse(&self, problem: String) {
        self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(problem);
    }
}
