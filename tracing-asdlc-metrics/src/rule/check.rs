//! What is wrong with a rule, whatever the other rules are.

use crate::error::{Kind, Problem};
use crate::rule::rule::{Rule, Source};

impl Rule {
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let Self { source, name, target, .. } = self;
        if name.as_ref().is_some_and(|name| name.is_empty()) {
            let what = if *source == Source::Span { "span" } else { "event" };
            return Err(Problem::NoName { what });
        }
        if target.as_ref().is_some_and(|target| target.is_empty()) {
            return Err(Problem::NoTarget);
        }
        if let Some(method) = self.twice {
            return Err(Problem::MethodTwice { method });
        }
        self.check_source()?;
        for (kind, name) in self.metrics() {
            check_name(kind, name)?;
        }
        self.check_labels()?;
        self.check_unit()?;
        match self.max_series {
            Some(series) if !(self.min_series()..=MAX_SERIES).contains(&series) => {
                Err(Problem::MaxSeries { series, least: self.min_series() })
            }
            _ => self.check_boundaries(),
        }
    }

    /// One set of labels and the overflow, each with every outcome.
    pub(crate) fn min_series(&self) -> usize {
        let outcomes = self.outcome.as_ref().map_or(1, crate::Outcome::values);
        MIN_SERIES.max(2 * outcomes)
    }

    /// The names of the rule's metrics, with their kinds.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = (Kind, &str)> {
        let Self { counter, opened, in_flight, duration, sum, histogram, gauge, .. } = self;
        let own = [
            (Kind::Counter, opened),
            (Kind::Counter, counter),
            (Kind::InFlight, in_flight),
            (Kind::Histogram, duration),
        ];
        let of_fields = [(Kind::Sum, sum), (Kind::Histogram, histogram), (Kind::Gauge, gauge)];
        let of_fields =
            of_fields.into_iter().filter_map(|(kind, of)| Some((kind, &*of.as_ref()?.name)));
        own.into_iter().filter_map(|(kind, name)| Some((kind, name.as_deref()?))).chain(of_fields)
    }

    /// Each kind of rule has methods of its own.
    fn check_source(&self) -> Result<(), Problem> {
        let Self { source, .. } = self;
        let spans = [
            (self.opened.is_some(), "with_opened_counter"),
            (self.in_flight.is_some(), "with_in_flight"),
            (self.duration.is_some(), "with_duration"),
            (self.clock.is_some(), "with_clock"),
            (self.outcome.is_some(), "with_outcome"),
        ];
        let events = [
            (self.sum.is_some(), "with_sum"),
            (self.histogram.is_some(), "with_histogram"),
            (self.gauge.is_some(), "with_gauge"),
        ];
        let counter = [(self.counter.is_some(), "with_counter")];
        let refused = |methods: &[(bool, &'static str)]| {
            methods.iter().find_map(|(is_set, method)| is_set.then_some(*method))
        };
        let method = match source {
            Source::Span => refused(&events),
            Source::Event => refused(&spans),
            Source::PrefixedFields => refused(&[&spans[..], &events, &counter].concat()),
        };
        match method {
            Some(method) => Err(Problem::Method { method, source: *source }),
            None if *source != Source::PrefixedFields && self.metrics().next().is_none() => {
                Err(Problem::NoMetric { source: *source })
            }
            None if self.clock.is_some() && self.duration.is_none() => {
                Err(Problem::NoDuration { what: "a clock" })
            }
            None if self.outcome.is_some() && self.counter.is_none() && self.duration.is_none() => {
                Err(Problem::NoClosed)
            }
            None => self.check_fields(),
        }
    }

    fn check_fields(&self) -> Result<(), Problem> {
        let fields = [&self.sum, &self.histogram, &self.gauge];
        match fields.into_iter().flatten().find(|of| of.field.is_empty()) {
            Some(of) => Err(Problem::NoField { name: of.name.to_string() }),
            None => Ok(()),
        }
    }

    fn check_labels(&self) -> Result<(), Problem> {
        let Self { labels, outcome, .. } = self;
        if labels.len() > MAX_LABELS {
            return Err(Problem::Labels { count: labels.len() });
        }
        labels.iter().try_for_each(crate::Label::check)?;
        if let Some(outcome) = outcome {
            outcome.check()?;
        }
        let names: Vec<_> = labels
            .iter()
            .map(crate::Label::name)
            .chain(outcome.iter().map(crate::Outcome::name))
            .collect();
        match (1..names.len()).find(|&after| names[..after].contains(&names[after])) {
            Some(twice) => Err(Problem::Label {
                label: names[twice].to_owned(),
                what: "is there twice; each label has a name of its own",
            }),
            None => Ok(()),
        }
    }

    fn check_unit(&self) -> Result<(), Problem> {
        let Some(unit) = self.unit.as_deref() else {
            return Ok(());
        };
        let has_values = match self.source {
            Source::Span => self.duration.is_some(),
            Source::Event => {
                [&self.sum, &self.histogram, &self.gauge].iter().any(|of| of.is_some())
            }
            Source::PrefixedFields => true,
        };
        let valid = match self.source {
            Source::Span => per_second(unit).is_some(),
            _ => (1..=63).contains(&unit.len()) && unit.bytes().all(|byte| byte.is_ascii_graphic()),
        };
        match (has_values, valid) {
            (false, _) => Err(Problem::NoValues),
            (true, false) => Err(Problem::Unit { unit: unit.to_owned(), source: self.source }),
            (true, true) => Ok(()),
        }
    }

    fn check_boundaries(&self) -> Result<(), Problem> {
        let Some(boundaries) = self.boundaries.as_deref() else {
            return self.check_default_boundaries();
        };
        match self.source {
            Source::Span if self.duration.is_none() => {
                return Err(Problem::NoDuration { what: "boundaries" });
            }
            Source::Event if self.histogram.is_none() => return Err(Problem::NoHistogram),
            _ if boundaries.is_empty() => return Err(Problem::NoBoundaries),
            _ => {}
        }
        let span = self.source == Source::Span;
        let refused = |value: &f64| !value.is_finite() || span && *value <= 0.0;
        if let Some(&value) = boundaries.iter().find(|value| refused(value)) {
            return Err(Problem::Boundary { value, source: self.source });
        }
        boundaries.windows(2).try_for_each(|pair| match *pair {
            [before, after] if after <= before => Err(Problem::Order { before, after }),
            _ => Ok(()),
        })
    }

    /// The default boundaries are seconds.
    fn check_default_boundaries(&self) -> Result<(), Problem> {
        let unit = self.unit.as_deref();
        let has_defaults = match self.source {
            Source::Span => self.duration.is_none() || matches!(unit, None | Some("s")),
            Source::Event => self.histogram.is_none() || unit == Some("s"),
            // It may name no histogram at all.
            Source::PrefixedFields => matches!(unit, None | Some("s")),
        };
        if has_defaults { Ok(()) } else { Err(Problem::DefaultBoundaries { source: self.source }) }
    }
}

/// OpenTelemetry's rule, and no separator at the end: an exporter appends to the name.
pub(crate) fn check_name(kind: Kind, name: &str) -> Result<(), Problem> {
    let valid = name.len() <= 255
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/".contains(c));
    if valid { Ok(()) } else { Err(Problem::Name { kind, name: name.to_owned() }) }
}

/// How many of a unit of time a second has.
pub(crate) fn per_second(unit: &str) -> Option<f64> {
    match unit {
        "s" => Some(1.0),
        "ms" => Some(1e3),
        "us" => Some(1e6),
        "ns" => Some(1e9),
        _ => None,
    }
}

/// So that their numbers fit into the key of a series.
pub(crate) const MAX_LABELS: usize = 8;
/// The least of any rule.
const MIN_SERIES: usize = 8;
/// Below the 2000 at which the SDK itself gives up: what it then loses are the labels of all series to come.
pub(crate) const MAX_SERIES: usize = 1_800;
