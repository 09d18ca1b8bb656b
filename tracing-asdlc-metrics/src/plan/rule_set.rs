//! The checked rules of one layer, and the metrics of each.

use crate::coverage::Coverage;
use crate::error::{BuildError, BuildErrorKind};
use crate::plan::outcome_field::OutcomeField;
use crate::plan::plan::MAX_IN_FLIGHT_GAUGES;
use crate::plan::prefixed_fields::{MetricNames, PrefixedFields};
use crate::record::deferred::InstrumentCreator;
use crate::record::exemplars::{ExemplarAnswer, Exemplars};
use crate::record::label_values::{LabelValues, MAX_CAPTURES};
use crate::record::metrics::{EventMetrics, SpanMetrics};
use crate::rule::check::MAX_LABELS;
use crate::rule::definitions::Definitions;
use crate::rule::label::Label;
use crate::rule::outcome::status_code_field;
use crate::rule::rule::{Rule, Source};
use opentelemetry::metrics::Meter;
use std::sync::Arc;
use tracing_core::{LevelFilter, Metadata};

#[derive(Debug)]
pub(crate) struct RuleSet {
    rules: Vec<(Rule, RuleMetrics)>,
    /// The inherited labels, each with the level of its rule.
    inherited: Vec<(LevelFilter, Arc<LabelValues>)>,
    measures_entries: bool,
    needs_entries: bool,
    has_outcome: bool,
    observes_entries: bool,
    max_level: LevelFilter,
    coverage: Coverage,
    exemplars: ExemplarAnswer,
}

/// What one rule records into.
#[derive(Debug)]
pub(crate) enum RuleMetrics {
    Span {
        metrics: Arc<SpanMetrics>,
        labels: Vec<Arc<LabelValues>>,
        outcome_fields: Vec<OutcomeField>,
    },
    Event {
        metrics: Arc<EventMetrics>,
        labels: Vec<Arc<LabelValues>>,
    },
    Prefixed(Arc<PrefixedFields>),
}

impl RuleMetrics {
    pub(crate) fn labels(&self) -> &[Arc<LabelValues>] {
        match self {
            Self::Span { labels, .. } | Self::Event { labels, .. } => labels,
            Self::Prefixed(prefixed) => &prefixed.labels,
        }
    }

    /// Creates the series whose label values are all known.
    fn preinitialize(&self, labels: &[Label]) {
        match self {
            Self::Span { metrics, .. } => metrics.preinitialize(labels),
            Self::Event { metrics, .. } => metrics.preinitialize(labels),
            Self::Prefixed(_) => {}
        }
    }
}

impl RuleSet {
    /// Checks all rules before it creates any instrument.
    pub(crate) fn new(meter: &Meter, rules: Vec<Rule>) -> Result<Self, BuildError> {
        let refused = |index: usize| {
            let rules = &rules;
            move |kind| BuildError::new(index, rules[index].subject(), kind)
        };
        for (index, rule) in rules.iter().enumerate() {
            rule.check().map_err(refused(index))?;
        }
        let definitions = Definitions::new(&rules)?;
        for index in 0..rules.len() {
            check_captures(&rules, index).map_err(refused(index))?;
            definitions.check_shares(&rules[index]).map_err(refused(index))?;
        }

        let names = rules.iter().enumerate();
        let names = names.map(|(index, rule)| format!("rule {}, {}", index + 1, rule.subject()));
        let coverage = Coverage::new(names);
        let exemplars = ExemplarAnswer::default();
        let create = || create_metrics(meter, &rules, &definitions, &coverage, &exemplars);
        let metrics = exemplars.ask(create);
        let preinitialize = || {
            let metrics = rules.iter().zip(&metrics);
            metrics.for_each(|(rule, metrics)| metrics.preinitialize(&rule.labels));
        };
        match exemplars.get() {
            Some(exemplars) => exemplars.measure_without(preinitialize),
            None => preinitialize(),
        }
        let inherited = rules.iter().zip(&metrics).flat_map(|(rule, metrics)| {
            let labels = metrics.labels().iter().filter(|values| values.label().is_inherited());
            labels.map(|values| (rule.level(), Arc::clone(values)))
        });
        let measures_entries = rules.iter().any(|rule| rule.span_duration.is_some());
        // The OpenTelemetry span of a span is found when the span is entered.
        let finds_spans = cfg!(feature = "tracing-opentelemetry")
            && exemplars.get().is_some()
            && rules.iter().any(|rule| rule.source == Source::Span);
        let needs_entries = measures_entries || finds_spans;
        let has_outcome = rules.iter().any(|rule| rule.outcome.is_some());
        Ok(Self {
            inherited: inherited.collect(),
            measures_entries,
            needs_entries,
            has_outcome,
            observes_entries: needs_entries || has_outcome,
            max_level: max_level(&rules),
            coverage,
            exemplars,
            rules: rules.into_iter().zip(metrics).collect(),
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Rule, RuleMetrics)> {
        self.rules.iter()
    }

    pub(crate) fn inherited(&self) -> &[(LevelFilter, Arc<LabelValues>)] {
        &self.inherited
    }

    /// Whether any rule needs the times of entries and exits.
    pub(crate) fn measures_entries(&self) -> bool {
        self.measures_entries
    }

    /// Whether the layer needs entries and exits: for their times, or for exemplars.
    pub(crate) fn needs_entries(&self) -> bool {
        self.needs_entries
    }

    /// Whether any entry or exit can matter: each of them, or one while the thread unwinds or a metered future ends, because a rule
    /// has an outcome.
    pub(crate) fn observes_entries(&self) -> bool {
        self.observes_entries
    }

    pub(crate) fn has_outcome(&self) -> bool {
        self.has_outcome
    }

    pub(crate) fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// The meter, if it records exemplars. If only rules for prefixed fields have counters or histograms, this is not known before
    /// one of their instruments is created.
    #[inline]
    pub(crate) fn exemplars(&self) -> Option<Exemplars> {
        self.exemplars.get()
    }

    /// Whether a rule with an outcome reads the events of `#[instrument(err)]` and `#[instrument(ret)]` with this target, which is
    /// also the target of their span.
    pub(crate) fn reads_instrument_event(&self, event: &Metadata<'_>) -> bool {
        self.rules.iter().any(|(rule, _)| {
            let outcome = rule.outcome.as_ref();
            rule.matches_target(event.target())
                && outcome.is_some_and(|outcome| *event.level() <= outcome.max_level())
        })
    }

    /// The most verbose level that any rule needs.
    pub(crate) fn max_level(&self) -> LevelFilter {
        self.max_level
    }
}

fn create_metrics(
    meter: &Meter,
    rules: &[Rule],
    definitions: &Definitions<'_>,
    coverage: &Coverage,
    exemplars: &ExemplarAnswer,
) -> Vec<RuleMetrics> {
    let names = Arc::new(MetricNames::new(definitions));
    let mut shared = SharedValues::default();
    let create = |rule: &Rule| {
        let labels: Vec<_> = rule.labels.iter().map(|label| shared.values(label)).collect();
        match rule.source {
            Source::Span => RuleMetrics::Span {
                metrics: Arc::new(SpanMetrics::new(meter, definitions, rule, labels.clone())),
                labels,
                outcome_fields: rule.outcome.as_ref().map_or_else(Vec::new, |outcome| {
                    OutcomeField::all(outcome, |label| shared.values(label)).to_vec()
                }),
            },
            Source::Event => RuleMetrics::Event {
                metrics: Arc::new(EventMetrics::new(meter, definitions, rule, labels.clone())),
                labels,
            },
            Source::PrefixedFields => {
                let creator = InstrumentCreator::new(meter, rule, coverage, exemplars);
                let max_series = definitions.max_series(rule);
                let prefixed = PrefixedFields::new(creator, labels, max_series, &names);
                RuleMetrics::Prefixed(Arc::new(prefixed))
            }
        }
    };
    rules.iter().map(create).collect()
}

fn max_level(rules: &[Rule]) -> LevelFilter {
    let outcomes = rules.iter().filter_map(|rule| rule.outcome.as_ref());
    let outcomes = outcomes.map(|outcome| LevelFilter::from_level(outcome.max_level()));
    rules.iter().map(Rule::level).chain(outcomes).max().unwrap_or(LevelFilter::OFF)
}

/// The values of each label. Rules with equal labels share them.
#[derive(Default)]
struct SharedValues(Vec<Arc<LabelValues>>);

impl SharedValues {
    fn values(&mut self, label: &Label) -> Arc<LabelValues> {
        if let Some(values) = self.0.iter().find(|values| values.label() == label) {
            return Arc::clone(values);
        }
        let values = Arc::new(LabelValues::new(label.clone()));
        self.0.push(Arc::clone(&values));
        values
    }
}

/// Checks that the state of a span has room for this rule and for all rules that match the same spans.
fn check_captures(rules: &[Rule], index: usize) -> Result<(), BuildErrorKind> {
    let rule = &rules[index];
    let together = || {
        // A span with a rule's name matches the rules for that name and the rules for any name. A span with any other name matches
        // only the rules for any name.
        let matches_all = |other: &&Rule| rule.name.is_some() || other.name.is_none();
        rules.iter().filter(|other| rule.may_overlap(other)).filter(matches_all)
    };
    let in_flight_gauges = together().filter(|other| other.in_flight.is_some()).count();
    if rule.in_flight.is_some() && in_flight_gauges > MAX_IN_FLIGHT_GAUGES {
        return Err(BuildErrorKind::InFlightGauges { most: MAX_IN_FLIGHT_GAUGES });
    }
    let mut labels: Vec<Label> = Vec::new();
    let inherited = rules.iter().flat_map(|rule| &rule.labels).filter(|label| label.is_inherited());
    let outcomes = together().filter_map(|other| other.outcome.as_ref());
    let outcomes = outcomes.flat_map(|outcome| [outcome.field().0, status_code_field().0]);
    let all = together().flat_map(|other| &other.labels).chain(inherited).cloned().chain(outcomes);
    for label in all {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    let count = labels.len();
    if count > MAX_CAPTURES {
        Err(BuildErrorKind::Captures { count, most: MAX_CAPTURES })
    } else {
        Ok(())
    }
}

const _: () = assert!(MAX_LABELS + 2 <= MAX_CAPTURES, "every single rule must fit");
