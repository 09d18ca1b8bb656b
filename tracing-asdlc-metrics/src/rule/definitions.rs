//! The metrics that all rules of a layer define. Checks that the rules do not contradict each other, and has their series
//! limits.

use crate::error::{BuildError, BuildErrorKind};
use crate::rule::check::MAX_SERIES;
use crate::rule::instrument_name::InstrumentName;
use crate::rule::metric::{MetricKind, canonical_name};
use crate::rule::rule::{Rule, Source};
use std::collections::BTreeMap;

/// Each metric that the rules name, once.
#[derive(Debug)]
pub(crate) struct Definitions<'a> {
    /// By the name [in Prometheus](InstrumentName::in_prometheus).
    metrics: BTreeMap<String, Definition<'a>>,
    /// The keys of `metrics`, by the [canonical](canonical_name) name that a rule has.
    written: BTreeMap<String, String>,
    /// The number of rules for prefixed fields. All of them may record into one metric.
    prefixed_rules: usize,
}

#[derive(Debug)]
struct Definition<'a> {
    /// The name that its first rule has.
    written: &'a str,
    instrument: InstrumentName<'a>,
    kind: MetricKind,
    /// The rules that record into it, with their indices.
    rules: Vec<(usize, &'a Rule)>,
}

impl<'a> Definitions<'a> {
    /// Checks that the rules do not contradict each other.
    pub(crate) fn new(rules: &'a [Rule]) -> Result<Self, BuildError> {
        let refused = |index: usize| {
            move |kind: BuildErrorKind| BuildError::new(index, rules[index].subject(), kind)
        };
        let prefixed_rules =
            rules.iter().filter(|rule| rule.source == Source::PrefixedFields).count();
        let mut definitions =
            Self { metrics: BTreeMap::new(), written: BTreeMap::new(), prefixed_rules };
        for (index, rule) in rules.iter().enumerate() {
            for (kind, name) in rule.metrics() {
                definitions.add(name, kind, (index, rule)).map_err(refused(index))?;
            }
        }
        Ok(definitions)
    }

    /// Adds a metric of a rule. Metrics of two rules are one metric if they have the same name in Prometheus (the counters
    /// `jobs` and `jobs_total`) or in the rules. Then their kind, name, unit and boundaries must be the same.
    fn add(
        &mut self,
        written: &'a str,
        kind: MetricKind,
        (index, rule): (usize, &'a Rule),
    ) -> Result<(), BuildErrorKind> {
        let instrument = rule.instrument(kind, written);
        let exposed = instrument.in_prometheus(kind);
        let other =
            self.written.get(&canonical_name(written)).and_then(|key| self.metrics.get(key));
        for known in self.metrics.get(&exposed).into_iter().chain(other) {
            known.check_same(written, instrument, kind, rule)?;
        }
        self.written.entry(canonical_name(written)).or_insert_with(|| exposed.clone());
        let rules = Vec::new();
        let known = Definition { written, instrument, kind, rules };
        self.metrics.entry(exposed).or_insert(known).rules.push((index, rule));
        Ok(())
    }

    /// The metrics: the name as the rules have it, the kind and the instrument.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&'a str, MetricKind, InstrumentName<'a>)> {
        self.metrics.values().map(|known| (known.written, known.kind, known.instrument))
    }

    /// What an instrument counts, for its description: the names of the spans or events of all its rules.
    pub(crate) fn subjects(&self, kind: MetricKind, instrument: InstrumentName<'_>) -> String {
        let known = self.metrics.get(&instrument.in_prometheus(kind));
        let rules = known.map(|known| &known.rules[..]).unwrap_or_default();
        let subjects = rules.iter().map(|(_, rule)| match &rule.name {
            Some(name) => name.to_string(),
            None => rule.subject().to_string(),
        });
        subjects.collect::<Vec<_>>().join(", ")
    }

    /// The rule's series limit: with it, no metric has more series than the SDK accepts.
    pub(crate) fn max_series(&self, rule: &Rule) -> usize {
        let (_, rules) = self.most_shared(rule);
        rule.max_series.unwrap_or(MAX_SERIES / rules)
    }

    /// Checks that the rules that record into one metric can share its series.
    pub(crate) fn check_shares(&self, rule: &Rule) -> Result<(), BuildErrorKind> {
        let (metric, rules) = self.most_shared(rule);
        let metric = || match metric {
            Some(name) => format!("{name:?}"),
            None => "a metric of prefixed fields".to_owned(),
        };
        match rule.max_series {
            _ if MAX_SERIES / rules < rule.min_series() => Err(BuildErrorKind::TooManyRules {
                metric: metric(),
                rules,
                least: rule.min_series(),
            }),
            Some(limit) if limit > MAX_SERIES / rules => {
                Err(BuildErrorKind::SeriesShare { metric: metric(), rules, limit })
            }
            _ => Ok(()),
        }
    }

    /// Finds the metric of this rule that most rules record into. Returns its name and the number of these rules. The metrics
    /// of prefixed fields have no names yet.
    fn most_shared<'r>(&self, rule: &'r Rule) -> (Option<&'r str>, usize) {
        if rule.source == Source::PrefixedFields {
            return (None, self.prefixed_rules);
        }
        let shared = rule.metrics().filter_map(|(kind, written)| {
            let name = rule.instrument(kind, written).in_prometheus(kind);
            Some((Some(written), self.metrics.get(&name)?.rules.len()))
        });
        shared.max_by_key(|(_, rules)| *rules).unwrap_or((None, 1))
    }
}

impl Definition<'_> {
    /// Checks that a metric of another rule may be recorded into this one.
    fn check_same(
        &self,
        written: &str,
        instrument: InstrumentName<'_>,
        kind: MetricKind,
        rule: &Rule,
    ) -> Result<(), BuildErrorKind> {
        // Each definition has a rule.
        let Some(&(other, first)) = self.rules.first() else { return Ok(()) };
        let (name, known) = (written.to_owned(), self.written.to_owned());
        if self.kind != kind {
            return Err(BuildErrorKind::MetricKinds {
                name,
                known,
                kinds: [self.kind, kind],
                other,
            });
        }
        if self.instrument.name != instrument.name {
            return Err(BuildErrorKind::Spelling { name, known, other });
        }
        if kind == MetricKind::Histogram
            && first.histogram_boundaries() != rule.histogram_boundaries()
        {
            return Err(BuildErrorKind::Boundaries { name, other });
        }
        if self.instrument.unit != instrument.unit {
            return Err(BuildErrorKind::Units { name, known, other });
        }
        let selection = |rule: &Rule| (rule.source, rule.name.clone(), rule.target.clone());
        let same = self.rules.iter().find(|(_, known)| selection(known) == selection(rule));
        match same {
            Some(&(other, _)) => Err(BuildErrorKind::RecordedTwice { name, other }),
            None => Ok(()),
        }
    }
}
