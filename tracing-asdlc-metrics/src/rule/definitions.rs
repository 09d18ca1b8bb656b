//! The metrics that all rules of a layer define. Checks that the rules do not contradict each other, and has their series
//! limits.

use crate::error::{BuildError, BuildErrorKind};
use crate::rule::check::MAX_SERIES;
use crate::rule::metric::{MetricKind, canonical_name};
use crate::rule::rule::{Rule, Source};
use std::collections::BTreeMap;

/// Each metric that the rules name, once, by its [canonical name](canonical_name).
#[derive(Debug)]
pub(crate) struct Definitions<'a> {
    metrics: BTreeMap<String, Definition<'a>>,
    /// The number of rules for prefixed fields. All of them may record into one metric.
    prefixed_rules: usize,
}

#[derive(Debug)]
struct Definition<'a> {
    name: &'a str,
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
        let mut definitions = Self { metrics: BTreeMap::new(), prefixed_rules };
        for (index, rule) in rules.iter().enumerate() {
            for (kind, name) in rule.metrics() {
                definitions.add(name, kind, (index, rule)).map_err(refused(index))?;
            }
        }
        Ok(definitions)
    }

    fn add(
        &mut self,
        name: &'a str,
        kind: MetricKind,
        (index, rule): (usize, &'a Rule),
    ) -> Result<(), BuildErrorKind> {
        let known = self.metrics.entry(canonical_name(name)).or_insert(Definition {
            name,
            kind,
            rules: Vec::new(),
        });
        let (other, first) = known.rules.first().copied().unwrap_or((index, rule));
        let name = name.to_owned();
        if known.name != name {
            let known = known.name.to_owned();
            return Err(BuildErrorKind::Spelling { name, known, other });
        }
        if known.kind != kind {
            return Err(BuildErrorKind::MetricKinds { name, kinds: [known.kind, kind], other });
        }
        if kind == MetricKind::Histogram
            && first.histogram_boundaries() != rule.histogram_boundaries()
        {
            return Err(BuildErrorKind::Boundaries { name, other });
        }
        if first.unit_of(kind) != rule.unit_of(kind) {
            return Err(BuildErrorKind::Units { name, other });
        }
        let selection = |rule: &'a Rule| (rule.source, &rule.name, &rule.target);
        if let Some(&(other, _)) =
            known.rules.iter().find(|(_, known)| selection(known) == selection(rule))
        {
            return Err(BuildErrorKind::RecordedTwice { name, other });
        }
        known.rules.push((index, rule));
        Ok(())
    }

    /// The canonical names of the metrics, with their kinds and their names as the rules spell them.
    pub(crate) fn names(&self) -> impl Iterator<Item = (String, MetricKind, &'a str)> {
        self.metrics.iter().map(|(canonical, known)| (canonical.clone(), known.kind, known.name))
    }

    /// What a metric counts, for its description: the names of the spans or events of all its rules.
    pub(crate) fn subjects(&self, name: &str) -> String {
        let known = self.metrics.get(&canonical_name(name));
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
        let shared = rule.metrics().filter_map(|(_, name)| {
            Some((Some(name), self.metrics.get(&canonical_name(name))?.rules.len()))
        });
        shared.max_by_key(|(_, rules)| *rules).unwrap_or((None, 1))
    }
}
