//! The metrics that a rule names: their kinds, names and boundaries.

use crate::error::BuildErrorKind;
use crate::rule::rule::Rule;
use std::fmt;

impl Rule {
    /// The names of the rule's metrics as the rule has them, with their kinds.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = (MetricKind, &str)> {
        let Self { counter, opened_counter, in_flight, duration, sum, histogram, gauge, .. } = self;
        let own = [
            (MetricKind::Counter, opened_counter),
            (MetricKind::Counter, counter),
            (MetricKind::InFlight, in_flight),
            (MetricKind::Histogram, duration),
        ];
        let of_fields = [
            (MetricKind::Sum, sum),
            (MetricKind::Histogram, histogram),
            (MetricKind::Gauge, gauge),
        ];
        let of_fields = of_fields
            .into_iter()
            .filter_map(|(kind, metric)| Some((kind, &*metric.as_ref()?.name)));
        own.into_iter().filter_map(|(kind, name)| Some((kind, name.as_deref()?))).chain(of_fields)
    }

    /// The boundaries of the rule's histogram.
    pub(crate) fn histogram_boundaries(&self) -> &[f64] {
        self.boundaries.as_deref().unwrap_or(&DEFAULT_BOUNDARIES)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricKind {
    /// A counter of spans or events.
    Counter,
    /// A counter of numbers, which may have fractions.
    Sum,
    /// An up-down counter of numbers, which may have fractions.
    UpDown,
    /// An up-down counter of open spans.
    InFlight,
    Histogram,
    Gauge,
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Sum => "sum",
            Self::UpDown => "up-down counter",
            Self::InFlight => "in-flight gauge",
            Self::Histogram => "histogram",
            Self::Gauge => "gauge",
        })
    }
}

/// Accepts the names that OpenTelemetry accepts, except those that end with a separator, because an exporter appends to the
/// name.
pub(crate) fn check_metric_name(kind: MetricKind, name: &str) -> Result<(), BuildErrorKind> {
    let is_valid = name.len() <= 255
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.ends_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/".contains(c));
    if is_valid { Ok(()) } else { Err(BuildErrorKind::MetricName { kind, name: name.to_owned() }) }
}

/// The name as a metrics backend compares it: OpenTelemetry ignores case, and Prometheus has one separator.
pub(crate) fn canonical_name(name: &str) -> String {
    name.to_ascii_lowercase().replace(['.', '-', '/'], "_")
}

/// The default buckets of the Prometheus client libraries, in seconds.
const DEFAULT_BOUNDARIES: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
