//! The rules as they are at work.

use crate::coverage::Coverage;
use crate::error::{BuildError, Problem};
use crate::layer::span_state::IN_FLIGHTS;
use crate::plan::prefixed_fields::{Names, Prefixed};
use crate::record::deferred::Maker;
use crate::record::instruments::Definitions;
use crate::record::label_values::{CAPTURES, Values};
use crate::record::metrics::{EventMetrics, OutcomeField, SpanMetrics};
use crate::rule::check::MAX_LABELS;
use crate::rule::label::Label;
use crate::rule::rule::{Rule, Source};
use opentelemetry::metrics::Meter;
use std::sync::Arc;
use tracing_core::{LevelFilter, Metadata};

/// The rules, and what each records.
#[derive(Debug)]
pub(crate) struct Rules {
    rules: Vec<(Rule, Measured)>,
    /// The labels that ancestors may give, and the level of their rules.
    inherited: Vec<(LevelFilter, Arc<Values>)>,
    clocked: bool,
    any_outcome: bool,
    max_level: LevelFilter,
    coverage: Coverage,
}

#[derive(Debug)]
pub(crate) enum Measured {
    Span { metrics: Arc<SpanMetrics>, labels: Vec<Arc<Values>>, outcomes: Vec<OutcomeField> },
    Event { metrics: Arc<EventMetrics>, labels: Vec<Arc<Values>> },
    Prefixed(Arc<Prefixed>),
}

impl Measured {
    pub(crate) fn labels(&self) -> &[Arc<Values>] {
        match self {
            Self::Span { labels, .. } | Self::Event { labels, .. } => labels,
            Self::Prefixed(prefixed) => &prefixed.labels,
        }
    }
}

impl Rules {
    /// All rules are checked before anything is created.
    pub(crate) fn new(meter: &Meter, rules: Vec<Rule>) -> Result<Self, BuildError> {
        let refused = |index: usize| {
            let rules = &rules;
            move |problem| BuildError::new(index, rules[index].subject(), problem)
        };
        for (index, rule) in rules.iter().enumerate() {
            rule.check().map_err(refused(index))?;
        }
        let definitions = Definitions::of(&rules)?;
        for index in 0..rules.len() {
            check_together(&rules, index).map_err(refused(index))?;
            definitions.check_shares(&rules[index]).map_err(refused(index))?;
        }

        let coverage = rules.iter().enumerate();
        let coverage =
            coverage.map(|(index, rule)| format!("rule {}, {}", index + 1, rule.subject()));
        let coverage = Coverage::new(coverage);
        let names = Arc::new(Names::new(&definitions));
        let mut known = Known::default();
        let mut measured = Vec::new();
        for rule in &rules {
            let labels: Vec<_> = rule.labels.iter().map(|label| known.values(label)).collect();
            measured.push(match rule.source {
                Source::Span => Measured::Span {
                    metrics: Arc::new(SpanMetrics::new(meter, &definitions, rule, labels.clone())),
                    labels,
                    outcomes: rule.outcome.as_ref().map_or_else(Vec::new, |outcome| {
                        OutcomeField::all(outcome, |label| known.values(&label)).to_vec()
                    }),
                },
                Source::Event => {
                    let instruments = definitions.event(meter, rule);
                    let max_series = definitions.max_series(rule);
                    let metrics = EventMetrics::of_rule(instruments, labels.clone(), max_series);
                    metrics.show(&rule.labels);
                    Measured::Event { metrics: Arc::new(metrics), labels }
                }
                Source::PrefixedFields => {
                    let maker = Maker::new(meter, rule, &coverage);
                    let max_series = definitions.max_series(rule);
                    Measured::Prefixed(Arc::new(Prefixed::new(maker, labels, max_series, &names)))
                }
            });
        }
        let inherited = rules.iter().zip(&measured).flat_map(|(rule, measured)| {
            let labels = measured.labels().iter().filter(|values| values.label().is_inherited());
            labels.map(|values| (rule.level(), Arc::clone(values)))
        });
        Ok(Self {
            inherited: inherited.collect(),
            clocked: rules.iter().any(|rule| rule.clock.is_some()),
            any_outcome: rules.iter().any(|rule| rule.outcome.is_some()),
            max_level: max_level(&rules),
            coverage,
            rules: rules.into_iter().zip(measured).collect(),
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Rule, Measured)> {
        self.rules.iter()
    }

    pub(crate) fn inherited(&self) -> &[(LevelFilter, Arc<Values>)] {
        &self.inherited
    }

    /// Whether any rule measures entries and exits.
    pub(crate) fn clocked(&self) -> bool {
        self.clocked
    }

    pub(crate) fn any_outcome(&self) -> bool {
        self.any_outcome
    }

    pub(crate) fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Whether a rule reads the events of `#[instrument(err)]` and `#[instrument(ret)]` where this one is: they have the target of
    /// their span.
    pub(crate) fn any_outcome_of(&self, event: &Metadata<'_>) -> bool {
        self.rules.iter().any(|(rule, _)| {
            rule.matches_target(event.target())
                && rule
                    .outcome
                    .as_ref()
                    .is_some_and(|outcome| *event.level() <= outcome.max_level())
        })
    }

    /// The most verbose level that a rule looks at.
    pub(crate) fn max_level(&self) -> LevelFilter {
        self.max_level
    }
}

fn max_level(rules: &[Rule]) -> LevelFilter {
    let ends = rules.iter().filter_map(|rule| rule.outcome.as_ref());
    let ends = ends.map(|outcome| LevelFilter::from_level(outcome.max_level()));
    rules.iter().map(Rule::level).chain(ends).max().unwrap_or(LevelFilter::OFF)
}

/// The values of each label, once for all rules that have it.
#[derive(Default)]
struct Known(Vec<Arc<Values>>);

impl Known {
    fn values(&mut self, label: &Label) -> Arc<Values> {
        if let Some(values) = self.0.iter().find(|values| values.label() == label) {
            return Arc::clone(values);
        }
        let values = Arc::new(Values::new(label.clone()));
        self.0.push(Arc::clone(&values));
        values
    }
}

/// What the state of a span has room for: the rule with all others that match whatever it matches.
fn check_together(rules: &[Rule], index: usize) -> Result<(), Problem> {
    let rule = &rules[index];
    let together = || {
        // What has this name, also those for any name; what has any name, only these.
        let any_name = |other: &&Rule| rule.name.is_some() || other.name.is_none();
        rules.iter().filter(|other| rule.may_meet(other)).filter(any_name)
    };
    if rule.in_flight.is_some()
        && together().filter(|other| other.in_flight.is_some()).count() > IN_FLIGHTS
    {
        return Err(Problem::InFlights);
    }
    let mut labels: Vec<Label> = Vec::new();
    let inherited = rules.iter().flat_map(|rule| &rule.labels).filter(|label| label.is_inherited());
    let outcomes = together().filter_map(|other| other.outcome.as_ref());
    let outcomes =
        outcomes.flat_map(|outcome| [outcome.field().0, crate::rule::outcome::status_code().0]);
    let all = together().flat_map(|other| &other.labels).chain(inherited).cloned().chain(outcomes);
    for label in all {
        if !labels.contains(&label) {
            labels.push(label);
        }
    }
    if labels.len() > CAPTURES { Err(Problem::Captures { count: labels.len() }) } else { Ok(()) }
}

const _: () = assert!(MAX_LABELS + 2 <= CAPTURES, "a rule has room for itself");
