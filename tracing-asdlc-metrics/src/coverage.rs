use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing_core::Metadata;

/// Reports which rules of a [`SpanMetricsLayer`](crate::SpanMetricsLayer) have matched a span or event.
///
/// A rule may have a misspelt name, or a filter may refuse its spans. Without this report, the only sign is a metric that stays
/// at 0.
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
/// All clones report the same.
#[derive(Clone, Debug)]
pub struct Coverage(Arc<CoverageData>);

#[derive(Debug)]
struct CoverageData {
    /// The description of each rule, and whether the rule has matched.
    rules: Vec<(String, AtomicBool)>,
    callsites: Mutex<Vec<Callsite>>,
    refused: Mutex<BTreeSet<String>>,
    pending: Mutex<BTreeSet<String>>,
}

/// A callsite that some rules match.
#[derive(Debug)]
struct Callsite {
    metadata: &'static Metadata<'static>,
    rules: Vec<usize>,
    seen: Seen,
}

/// Whether a span or event of a callsite has reached the layer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<AtomicBool>);

impl Seen {
    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Coverage {
    pub(crate) fn new(rules: impl IntoIterator<Item = String>) -> Self {
        let rules = rules.into_iter().map(|rule| (rule, AtomicBool::new(false))).collect();
        Self(Arc::new(CoverageData {
            rules,
            callsites: Mutex::default(),
            refused: Mutex::default(),
            pending: Mutex::default(),
        }))
    }

    /// The rules that no span or event has matched so far. Call it after the program has done all its work once.
    ///
    /// Either no span or event has such a name, target, level or field, or a filter refuses them; see [`hidden`](Self::hidden).
    #[must_use]
    pub fn unmatched(&self) -> Vec<&str> {
        let rules = self.0.rules.iter();
        rules
            .filter(|(_, matched)| !matched.load(Ordering::Relaxed))
            .map(|(rule, _)| &**rule)
            .collect()
    }

    /// The callsites that the program has reached and a rule matches, but whose spans and events have not reached the layer so
    /// far. A *global* filter refuses them: a `LevelFilter` or an `EnvFilter` that is a layer of its own. Add such a filter to
    /// one layer instead, with `with_filter`.
    ///
    /// ```
    /// use tracing::level_filters::LevelFilter;
    /// use tracing_asdlc_metrics::{Rule, SpanMetricsLayer};
    /// use tracing_subscriber::prelude::*;
    /// # let meter = opentelemetry::global::meter("docs");
    ///
    /// let metrics = SpanMetricsLayer::new(&meter, [Rule::span("checkout").with_counter("checkouts_total")])?;
    /// let coverage = metrics.coverage();
    /// let subscriber = tracing_subscriber::registry().with(LevelFilter::ERROR).with(metrics);
    /// tracing::subscriber::with_default(subscriber, || {
    ///     drop(tracing::info_span!("checkout"));
    /// });
    /// assert_eq!(coverage.unmatched(), ["rule 1, span \"checkout\""]);
    /// assert!(coverage.hidden()[0].starts_with("rule 1, span \"checkout\": INFO span \"checkout\" at "));
    /// # Ok::<(), tracing_asdlc_metrics::BuildError>(())
    /// ```
    ///
    /// Three cases are not listed:
    ///
    /// - callsites that are refused by a filter that is added after this layer: it refuses them before this layer is asked;
    /// - callsites that are refused by a filter that lowers `LevelFilter::current()`;
    /// - events of `#[instrument(err)]` and `#[instrument(ret)]` that only decide an outcome.
    ///
    /// In the first two cases the rule is [`unmatched`](Self::unmatched). A callsite that only another subscriber has reached is
    /// listed too.
    #[must_use]
    pub fn hidden(&self) -> Vec<String> {
        let callsites = lock(&self.0.callsites);
        let hidden = callsites.iter().filter(|callsite| !callsite.seen.is_set());
        let lines = hidden.flat_map(|Callsite { metadata, rules, .. }| {
            let rules = rules.iter().filter_map(|rule| self.0.rules.get(*rule));
            rules.map(|(rule, _)| format!("{rule}: {}", describe(metadata)))
        });
        lines.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The metrics of [`Rule::prefixed_fields`](crate::Rule::prefixed_fields) that are not recorded, each with the reason.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        lock(&self.0.refused).iter().cloned().collect()
    }

    /// The metrics of [`Rule::prefixed_fields`](crate::Rule::prefixed_fields) that have values but do not exist yet, usually
    /// because a collection is in progress. Their values are kept. A program can wait until this list is empty before it shuts
    /// the meter provider down.
    #[must_use]
    pub fn pending(&self) -> Vec<String> {
        lock(&self.0.pending).iter().cloned().collect()
    }

    /// A span or event has matched the rule with this index.
    pub(crate) fn matched(&self, rule: usize) {
        if let Some((_, matched)) = self.0.rules.get(rule) {
            // Written only once, because each write makes the other threads that read this cache line wait.
            if !matched.load(Ordering::Relaxed) {
                matched.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Adds a callsite that these rules match.
    pub(crate) fn register(&self, metadata: &'static Metadata<'static>, rules: Vec<usize>) -> Seen {
        let seen = Seen::default();
        // No span or event ever has a callsite of `enabled!`.
        if !rules.is_empty() && !metadata.name().starts_with("enabled ") {
            lock(&self.0.callsites).push(Callsite { metadata, rules, seen: seen.clone() });
        }
        seen
    }

    pub(crate) fn refuse(&self, reason: String) {
        lock(&self.0.refused).insert(reason);
    }

    pub(crate) fn set_pending(&self, name: &str, is_pending: bool) {
        let mut pending = lock(&self.0.pending);
        if is_pending {
            pending.insert(name.to_owned());
        } else {
            pending.remove(name);
        }
    }
}

/// Returns for example `INFO span "checkout" at src/shop.rs:12`.
fn describe(metadata: &Metadata<'_>) -> String {
    let what = if metadata.is_span() { "span" } else { "event" };
    let mut text = format!("{} {what}", metadata.level());
    // The default name of an event is its place in the source, which is added below.
    if metadata.is_span() || !metadata.name().starts_with("event ") {
        let _ = write!(text, " {:?}", metadata.name());
    }
    match (metadata.file(), metadata.line()) {
        (Some(file), Some(line)) => {
            let _ = write!(text, " at {file}:{line}");
        }
        _ => {
            let _ = write!(text, " of target {:?}", metadata.target());
        }
    }
    text
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
