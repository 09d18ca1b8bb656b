use crate::error::{Kind, Problem};
use std::borrow::Cow;
use tracing_core::{Level, LevelFilter, Metadata};

/// Which spans to measure, and the metrics that they give.
///
/// ```
/// use tracing_asdlc_metrics::Rule;
///
/// let rule = Rule::span("checkout")
///     .with_counter("checkouts_total")
///     .with_duration("checkout_duration_seconds");
/// ```
///
/// A rule matches spans by their name, which is the function's name for `#[tracing::instrument]`, whatever their target.
/// Several rules may match one span: each records it. The same metric name may stand in several rules: their spans are
/// then recorded into one metric.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a rule does nothing until it is given to `SpanMetricsLayer::new`"]
pub struct Rule {
    span: Cow<'static, str>,
    max_level: Level,
    counter: Option<Cow<'static, str>>,
    duration: Option<Cow<'static, str>>,
    boundaries: Option<Vec<f64>>,
}

impl Rule {
    /// Matches the spans with exactly this name, at level `INFO`, `WARN` and `ERROR`.
    pub fn span(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            span: name.into(),
            max_level: Level::INFO,
            counter: None,
            duration: None,
            boundaries: None,
        }
    }

    /// Matches spans up to this level: `DEBUG` to measure a `debug_span!`, `TRACE` for all.
    ///
    /// ```
    /// use tracing::Level;
    /// use tracing_asdlc_metrics::Rule;
    ///
    /// let rule = Rule::span("parse").with_max_level(Level::DEBUG).with_counter("parsed_total");
    /// ```
    ///
    /// The level is part of the rule because the layer keeps this level, and no more, enabled in the process: it measures
    /// the same spans whatever the other layers of the subscriber log.
    pub fn with_max_level(mut self, level: Level) -> Self {
        self.max_level = level;
        self
    }

    /// Adds 1 to this counter at the moment the span closes, once for each span: when its last handle is dropped and its
    /// last child has closed, however often it was entered.
    ///
    /// Only a child that exists counts: one that no rule matches exists when another layer has enabled it.
    ///
    /// The counter is there, with the value 0, from the moment the layer is built.
    pub fn with_counter(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.counter = Some(name.into());
        self
    }

    /// Records into this histogram, when the span closes, the seconds (unit `s`) from its creation to that moment.
    ///
    /// That is wall-clock time: a span which waits, or whose child is still open (see [`with_counter`](Self::with_counter)),
    /// goes on counting.
    /// The boundaries are those of [`with_boundaries`](Self::with_boundaries), by default 5 ms … 10 s:
    /// 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5 and 10.
    pub fn with_duration(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.duration = Some(name.into());
        self
    }

    /// The upper bounds of the histogram's buckets, in seconds; `+Inf` comes by itself.
    ///
    /// ```
    /// use tracing_asdlc_metrics::Rule;
    ///
    /// let rule = Rule::span("get").with_duration("get_duration_seconds").with_boundaries([0.0001, 0.001, 0.01]);
    /// ```
    ///
    /// Each is finite, above 0, and greater than the one before.
    pub fn with_boundaries(mut self, boundaries: impl IntoIterator<Item = f64>) -> Self {
        self.boundaries = Some(boundaries.into_iter().collect());
        self
    }

    pub(crate) fn span_name(&self) -> &str {
        &self.span
    }

    pub(crate) fn counter(&self) -> Option<&str> {
        self.counter.as_deref()
    }

    /// The histogram's name and its boundaries.
    pub(crate) fn duration(&self) -> Option<(&str, &[f64])> {
        let boundaries = self.boundaries.as_deref().unwrap_or(&DEFAULT_BOUNDARIES);
        Some((self.duration.as_deref()?, boundaries))
    }

    pub(crate) fn max_level(&self) -> LevelFilter {
        LevelFilter::from_level(self.max_level)
    }

    pub(crate) fn matches(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && *metadata.level() <= self.max_level && metadata.name() == self.span
    }

    /// What is wrong with this rule, whatever the other rules are.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        let Self { span, max_level: _, counter, duration, boundaries } = self;
        if span.is_empty() {
            return Err(Problem::NoSpanName);
        }
        if let Some(name) = counter {
            check_name(Kind::Counter, name)?;
        }
        if let Some(name) = duration {
            check_name(Kind::Histogram, name)?;
        }
        match boundaries {
            Some(_) if duration.is_none() => Err(Problem::NoDuration),
            Some(boundaries) => check_boundaries(boundaries),
            None if counter.is_none() && duration.is_none() => Err(Problem::NoMetric),
            None => Ok(()),
        }
    }
}

/// OpenTelemetry's rule, and no separator at the end: an exporter appends to the name.
fn check_name(kind: Kind, name: &str) -> Result<(), Problem> {
    let valid = name.len() <= 255
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/".contains(c));
    if valid { Ok(()) } else { Err(Problem::Name { kind, name: name.to_owned() }) }
}

fn check_boundaries(boundaries: &[f64]) -> Result<(), Problem> {
    if boundaries.is_empty() {
        return Err(Problem::NoBoundaries);
    }
    if let Some(&value) = boundaries.iter().find(|value| !value.is_finite() || **value <= 0.0) {
        return Err(Problem::Boundary { value });
    }
    boundaries.windows(2).try_for_each(|pair| match *pair {
        [before, after] if after <= before => Err(Problem::Order { before, after }),
        _ => Ok(()),
    })
}

/// Prometheus' default buckets, in seconds.
const DEFAULT_BOUNDARIES: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
