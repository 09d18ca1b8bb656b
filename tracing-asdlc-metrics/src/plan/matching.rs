//! Which spans and events a rule matches.

use crate::plan::log_record::is_log_record;
use crate::record::per_instrument::PerInstrument;
use crate::rule::rule::{FieldMetric, Rule, Source};
use std::borrow::Cow;
use tracing_core::Metadata;

impl Rule {
    pub(crate) fn matches(&self, metadata: &Metadata<'_>) -> bool {
        let Self { source, name, sum, histogram, gauge, .. } = self;
        let mut numbers = [sum, histogram, gauge].into_iter().flatten();
        (*source == Source::Span) == metadata.is_span()
            && *metadata.level() <= self.level()
            && name.as_ref().is_none_or(|name| metadata.name() == name)
            // The target of a log record is in a field, so each event is checked again.
            && (is_log_record(metadata) || self.matches_target(metadata.target()))
            && (self.counter.is_some()
                || *source != Source::Event
                || numbers
                    .any(|FieldMetric { field, .. }| metadata.fields().field(&**field).is_some()))
    }

    pub(crate) fn matches_target(&self, target: &str) -> bool {
        self.target.as_ref().is_none_or(|module| is_in_module(target, module))
    }

    /// Whether a span or event may exist that both rules match.
    pub(crate) fn may_overlap(&self, other: &Self) -> bool {
        let differ = |one: &Option<Cow<'_, str>>, other: &Option<Cow<'_, str>>| {
            one.as_ref().zip(other.as_ref()).is_some_and(|(one, other)| one != other)
        };
        (self.source == Source::Span) == (other.source == Source::Span)
            && !differ(&self.name, &other.name)
    }

    /// The indices of the fields whose numbers the rule's instruments record.
    pub(crate) fn number_fields(&self, metadata: &Metadata<'_>) -> PerInstrument<usize> {
        let index = |metric: &Option<FieldMetric>| {
            Some(metadata.fields().field(&*metric.as_ref()?.field)?.index())
        };
        let Self { sum, histogram, gauge, .. } = self;
        PerInstrument {
            sum: index(sum),
            up_down: None,
            histogram: index(histogram),
            gauge: index(gauge),
        }
    }
}

/// Whether a target is this module or a module inside it.
pub(crate) fn is_in_module(target: &str, module: &str) -> bool {
    target.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether the target is that of an OpenTelemetry crate, whose spans and events are never measured.
pub(crate) fn is_opentelemetry(target: &str) -> bool {
    target
        .strip_prefix("opentelemetry")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '-', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdks_targets_are_distinguished_from_similar_names() {
        for target in
            ["opentelemetry", "opentelemetry_sdk", "opentelemetry-otlp", "opentelemetry::metrics"]
        {
            assert!(is_opentelemetry(target), "{target}");
        }
        for target in ["opentelemetrics", "my_opentelemetry", "opentelemetry2", ""] {
            assert!(!is_opentelemetry(target), "{target}");
        }
    }
}
