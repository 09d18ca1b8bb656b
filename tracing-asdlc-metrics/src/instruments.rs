//! Every instrument of this crate is created here, when the layer is built: names, units, descriptions and boundaries.

#[cfg(feature = "bound")]
use crate::bound::{CounterSeries, HistogramSeries};
use crate::error::{BuildError, Kind, Problem};
use crate::rule::Rule;
#[cfg(not(feature = "bound"))]
use crate::unbound::{CounterSeries, HistogramSeries};
use opentelemetry::metrics::Meter;
use std::collections::BTreeMap;

/// What one rule records into.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) closed: Option<CounterSeries>,
    /// In seconds.
    pub(crate) duration: Option<HistogramSeries>,
}

/// The series of each rule, in their order. All rules are checked before anything is created.
pub(crate) fn create(meter: &Meter, rules: &[Rule]) -> Result<Vec<Series>, BuildError> {
    for (index, rule) in rules.iter().enumerate() {
        rule.check().map_err(|problem| BuildError::new(index, rule.span_name(), problem))?;
    }
    let definitions = Definitions::of(rules)?;
    let counters = definitions.create(Kind::Counter, |name, spans, _| counter(meter, name, spans));
    let histograms = definitions.create(Kind::Histogram, |name, spans, boundaries| {
        histogram(meter, name, spans, boundaries)
    });
    Ok(rules
        .iter()
        .map(|rule| Series {
            closed: rule.counter().and_then(|name| counters.get(name).cloned()),
            duration: rule.duration().and_then(|(name, _)| histograms.get(name).cloned()),
        })
        .collect())
}

fn counter(meter: &Meter, name: &str, spans: &str) -> CounterSeries {
    let counter = meter
        .u64_counter(name.to_owned())
        .with_description(format!("Spans that closed: {spans}."))
        .build();
    // It is there from the start, so that `rate()` sees its first step.
    counter.add(0, &[]);
    CounterSeries::new(&counter)
}

fn histogram(meter: &Meter, name: &str, spans: &str, boundaries: &[f64]) -> HistogramSeries {
    let histogram = meter
        .f64_histogram(name.to_owned())
        .with_unit("s")
        .with_description(format!("Time from creation to close of spans: {spans}."))
        .with_boundaries(boundaries.to_vec())
        .build();
    HistogramSeries::new(&histogram)
}

/// The instruments that the rules name, each once, by the name that a backend knows it by.
struct Definitions<'a>(BTreeMap<String, Definition<'a>>);

struct Definition<'a> {
    name: &'a str,
    kind: Kind,
    boundaries: &'a [f64],
    /// The rules that record into it.
    rules: Vec<(usize, &'a str)>,
}

impl<'a> Definitions<'a> {
    fn of(rules: &'a [Rule]) -> Result<Self, BuildError> {
        let mut definitions = Self(BTreeMap::new());
        for (index, rule) in rules.iter().enumerate() {
            let counter = rule.counter().map(|name| (name, Kind::Counter, &[][..]));
            let duration =
                rule.duration().map(|(name, boundaries)| (name, Kind::Histogram, boundaries));
            for (name, kind, boundaries) in counter.into_iter().chain(duration) {
                definitions
                    .add(name, kind, boundaries, (index, rule.span_name()))
                    .map_err(|problem| BuildError::new(index, rule.span_name(), problem))?;
            }
        }
        Ok(definitions)
    }

    fn add(
        &mut self,
        name: &'a str,
        kind: Kind,
        boundaries: &'a [f64],
        rule: (usize, &'a str),
    ) -> Result<(), Problem> {
        let known = self.0.entry(canonical(name)).or_insert(Definition {
            name,
            kind,
            boundaries,
            rules: Vec::new(),
        });
        let other = known.rules.first().map_or(rule.0, |(index, _)| *index);
        let name = name.to_owned();
        if known.name != name {
            let like = known.name.to_owned();
            return Err(Problem::Spelling { name, like, other });
        }
        if known.kind != kind {
            return Err(Problem::Kinds { name, other });
        }
        if known.boundaries != boundaries {
            return Err(Problem::Boundaries { name, other });
        }
        if let Some(&(other, _)) = known.rules.iter().find(|(_, span)| *span == rule.1) {
            return Err(Problem::Twice { name, other });
        }
        known.rules.push(rule);
        Ok(())
    }

    fn create<T>(
        &self,
        kind: Kind,
        mut create: impl FnMut(&str, &str, &[f64]) -> T,
    ) -> BTreeMap<&'a str, T> {
        self.0
            .values()
            .filter(|definition| definition.kind == kind)
            .map(|definition| {
                let spans: Vec<_> = definition.rules.iter().map(|(_, span)| *span).collect();
                let instrument = create(definition.name, &spans.join(", "), definition.boundaries);
                (definition.name, instrument)
            })
            .collect()
    }
}

/// OpenTelemetry names differ by more than case; Prometheus has one separator.
fn canonical(name: &str) -> String {
    name.to_ascii_lowercase().replace(['.', '-', '/'], "_")
}
