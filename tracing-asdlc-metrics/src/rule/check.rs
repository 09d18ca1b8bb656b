//! Checks of one rule, independent of the other rules. `definitions` checks the rules together.

use crate::error::BuildErrorKind;
use crate::rule::label::Label;
use crate::rule::metric::{MetricKind, check_metric_name};
use crate::rule::outcome::Outcome;
use crate::rule::rule::{Rule, Source};
use crate::rule::span_duration::units_per_second;

impl Rule {
    pub(crate) fn check(&self) -> Result<(), BuildErrorKind> {
        let Self { source, name, target, .. } = self;
        if name.as_ref().is_some_and(|name| name.is_empty()) {
            let what = if *source == Source::Span { "span" } else { "event" };
            return Err(BuildErrorKind::EmptyName { what });
        }
        if target.as_ref().is_some_and(|target| target.is_empty()) {
            return Err(BuildErrorKind::EmptyTarget);
        }
        if let Some(method) = self.called_twice {
            return Err(BuildErrorKind::MethodTwice { method });
        }
        self.check_methods()?;
        for (kind, name) in self.metrics() {
            check_metric_name(kind, name)?;
        }
        self.check_labels()?;
        self.check_unit()?;
        match self.max_series {
            Some(limit) if !(self.min_series()..=MAX_SERIES).contains(&limit) => {
                Err(BuildErrorKind::SeriesLimit { limit, least: self.min_series() })
            }
            _ => self.check_boundaries(),
        }
    }

    /// The lowest series limit: one label set and the overflow label set, each with every value of the outcome.
    pub(crate) fn min_series(&self) -> usize {
        let outcomes = self.outcome.as_ref().map_or(1, Outcome::distinct_values);
        MIN_SERIES.max(2 * outcomes)
    }

    /// Rules for spans, for events and for prefixed fields have different methods.
    fn check_methods(&self) -> Result<(), BuildErrorKind> {
        let Self { source, .. } = self;
        let spans = [
            (self.opened_counter.is_some(), "with_opened_counter"),
            (self.in_flight.is_some(), "with_in_flight"),
            (self.duration.is_some(), "with_duration"),
            (self.span_duration.is_some(), "with_span_duration"),
            (self.outcome.is_some(), "with_outcome"),
        ];
        let events = [
            (self.sum.is_some(), "with_sum"),
            (self.histogram.is_some(), "with_histogram"),
            (self.gauge.is_some(), "with_gauge"),
        ];
        let counter = [(self.counter.is_some(), "with_counter")];
        let first_set = |methods: &[(bool, &'static str)]| {
            methods.iter().find_map(|(is_set, method)| is_set.then_some(*method))
        };
        let refused = match source {
            Source::Span => first_set(&events),
            Source::Event => first_set(&spans),
            Source::PrefixedFields => first_set(&[&spans[..], &events, &counter].concat()),
        };
        match refused {
            Some(method) => Err(BuildErrorKind::Method { method, source: *source }),
            None if *source != Source::PrefixedFields && self.metrics().next().is_none() => {
                Err(BuildErrorKind::NoMetric { source: *source })
            }
            None if self.span_duration.is_some() && self.duration.is_none() => {
                Err(BuildErrorKind::NoDuration { what: "`with_span_duration`" })
            }
            None if self.outcome.is_some() && self.counter.is_none() && self.duration.is_none() => {
                Err(BuildErrorKind::NoMetricAtClose)
            }
            None => self.check_fields(),
        }
    }

    fn check_fields(&self) -> Result<(), BuildErrorKind> {
        let metrics = [&self.sum, &self.histogram, &self.gauge];
        match metrics.into_iter().flatten().find(|metric| metric.field.is_empty()) {
            Some(metric) => Err(BuildErrorKind::EmptyField { metric: metric.name.to_string() }),
            None => Ok(()),
        }
    }

    fn check_labels(&self) -> Result<(), BuildErrorKind> {
        let Self { labels, outcome, .. } = self;
        if labels.len() > MAX_LABELS {
            return Err(BuildErrorKind::Labels { count: labels.len() });
        }
        labels.iter().try_for_each(Label::check)?;
        if let Some(outcome) = outcome {
            outcome.check()?;
        }
        let keys: Vec<_> =
            labels.iter().map(Label::name).chain(outcome.iter().map(Outcome::name)).collect();
        match (1..keys.len()).find(|&index| keys[..index].contains(&keys[index])) {
            Some(index) => Err(BuildErrorKind::LabelKey {
                key: keys[index].to_owned(),
                allowed: "must not be used twice",
                hint: "",
            }),
            None => Ok(()),
        }
    }

    fn check_unit(&self) -> Result<(), BuildErrorKind> {
        let Some(unit) = self.unit.as_deref() else {
            return Ok(());
        };
        let has_values = match self.source {
            Source::Span => self.duration.is_some(),
            Source::Event => {
                [&self.sum, &self.histogram, &self.gauge].iter().any(|metric| metric.is_some())
            }
            Source::PrefixedFields => true,
        };
        let is_valid = match self.source {
            Source::Span => units_per_second(unit).is_some(),
            _ => (1..=63).contains(&unit.len()) && unit.bytes().all(|byte| byte.is_ascii_graphic()),
        };
        match (has_values, is_valid) {
            (false, _) => Err(BuildErrorKind::NoValues),
            (true, false) => {
                Err(BuildErrorKind::Unit { unit: unit.to_owned(), source: self.source })
            }
            // The unit of prefixed fields is for many metrics, whose names are not known yet.
            (true, true) if self.source == Source::PrefixedFields => Ok(()),
            (true, true) => self.metrics().try_for_each(|(kind, metric)| {
                match self.contradicted_unit(kind, metric) {
                    Some(allowed) => Err(BuildErrorKind::UnitOfName {
                        unit: unit.to_owned(),
                        metric: metric.to_owned(),
                        allowed,
                    }),
                    None => Ok(()),
                }
            }),
        }
    }

    fn check_boundaries(&self) -> Result<(), BuildErrorKind> {
        let Some(boundaries) = self.boundaries.as_deref() else {
            return self.check_default_boundaries();
        };
        match self.source {
            Source::Span if self.duration.is_none() => {
                Err(BuildErrorKind::NoDuration { what: "the boundaries" })
            }
            Source::Event if self.histogram.is_none() => Err(BuildErrorKind::NoHistogram),
            _ => check_boundaries(boundaries, self.source),
        }
    }

    /// The default boundaries are for seconds.
    fn check_default_boundaries(&self) -> Result<(), BuildErrorKind> {
        let is_in_seconds = match self.source {
            Source::Span | Source::Event => self
                .metrics()
                .filter(|(kind, _)| *kind == MetricKind::Histogram)
                .all(|(kind, name)| self.instrument(kind, name).unit == "s"),
            // Such a rule may have no histogram at all.
            Source::PrefixedFields => matches!(self.unit.as_deref(), None | Some("s")),
        };
        if is_in_seconds {
            Ok(())
        } else {
            Err(BuildErrorKind::DefaultBoundaries { source: self.source })
        }
    }
}

/// Boundaries must be finite and strictly increasing, and there must be at least one. Those of a duration must be above 0.
fn check_boundaries(boundaries: &[f64], source: Source) -> Result<(), BuildErrorKind> {
    if boundaries.is_empty() {
        return Err(BuildErrorKind::NoBoundaries);
    }
    for &value in boundaries {
        if !value.is_finite() {
            return Err(BuildErrorKind::Boundary { value, allowed: "must be finite" });
        }
        if source == Source::Span && value <= 0.0 {
            return Err(BuildErrorKind::Boundary { value, allowed: "must be above 0" });
        }
    }
    boundaries.windows(2).try_for_each(|pair| match *pair {
        [previous, value] if value <= previous => {
            Err(BuildErrorKind::BoundaryOrder { value, previous })
        }
        _ => Ok(()),
    })
}

/// The largest number of labels of a rule. The key of a series has room for their value ids.
pub(crate) const MAX_LABELS: usize = 8;
/// The lowest series limit of any rule.
const MIN_SERIES: usize = 8;
/// The largest series limit. It is below the SDK's limit of 2000: beyond that the SDK drops the labels of every new series.
pub(crate) const MAX_SERIES: usize = 1_800;
