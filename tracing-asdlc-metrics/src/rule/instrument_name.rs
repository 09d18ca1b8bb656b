//! The instrument that the name of a metric means: its name in OpenTelemetry, and its unit.
//!
//! In OpenTelemetry, the unit and `_total` are not parts of the name. A Prometheus exporter appends both. So a rule may name a
//! metric as Prometheus shows it: `checkouts_total` is the counter `checkouts`, and `wait_seconds` is the metric `wait` in `s`.

use crate::rule::metric::{MetricKind, canonical_name, check_metric_name};
use crate::rule::rule::Rule;
use crate::rule::span_duration::units_per_second;

/// The name and unit of an instrument. The unit is empty if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InstrumentName<'a> {
    pub(crate) name: &'a str,
    pub(crate) unit: &'a str,
}

impl InstrumentName<'_> {
    /// The name that a Prometheus exporter serves, in its [canonical](canonical_name) form.
    pub(crate) fn in_prometheus(self, kind: MetricKind) -> String {
        let mut exposed = canonical_name(self.name);
        let is_counter = matches!(kind, MetricKind::Counter | MetricKind::Sum);
        if let Some(word) = unit_word(self.unit).filter(|word| !(is_counter && *word == "ratio")) {
            exposed = format!("{exposed}_{word}");
        }
        if is_counter {
            exposed.push_str("_total");
        }
        exposed
    }
}

impl Rule {
    /// The instrument of the rule's metric with this name.
    pub(crate) fn instrument<'a>(
        &'a self,
        kind: MetricKind,
        written: &'a str,
    ) -> InstrumentName<'a> {
        let unit = self.unit.as_deref();
        match (self.suffix(kind, written), unit) {
            (Some((name, unit)), None) => InstrumentName { name, unit },
            (Some((name, suffix)), Some(unit)) if is_same_unit(suffix, unit) => {
                InstrumentName { name, unit }
            }
            _ => InstrumentName {
                name: without_total(kind, written),
                unit: match kind {
                    // A number of spans or events has no unit.
                    MetricKind::Counter | MetricKind::InFlight => "",
                    _ => unit.unwrap_or(if self.duration.is_some() { "s" } else { "" }),
                },
            },
        }
    }

    /// The unit that the name of a metric ends with, if it is not the unit of the rule.
    pub(crate) fn contradicted_unit(
        &self,
        kind: MetricKind,
        written: &str,
    ) -> Option<&'static str> {
        let (_, suffix) = self.suffix(kind, written)?;
        self.unit.as_deref().is_some_and(|unit| !is_same_unit(suffix, unit)).then_some(suffix)
    }

    /// The unit of the rule's histogram of durations.
    pub(crate) fn duration_unit(&self) -> &str {
        let written = self.duration.as_deref().unwrap_or_default();
        self.instrument(MetricKind::Histogram, written).unit
    }

    /// A name without the unit at its end, and this unit; `None` if it has none that its metric can have.
    fn suffix<'a>(&self, kind: MetricKind, written: &'a str) -> Option<(&'a str, &'static str)> {
        let (name, word) = without_total(kind, written).rsplit_once(SEPARATORS)?;
        let (_, unit) = UNITS.iter().find(|(known, _)| *known == word)?;
        let can_have = match kind {
            MetricKind::Counter | MetricKind::InFlight => false,
            // Prometheus exporters do not append `ratio` to a counter.
            MetricKind::Sum => *unit != "1",
            MetricKind::Histogram if self.duration.is_some() => units_per_second(unit).is_some(),
            MetricKind::UpDown | MetricKind::Histogram | MetricKind::Gauge => true,
        };
        (can_have && check_metric_name(kind, name).is_ok()).then_some((name, *unit))
    }
}

/// A counter's name without the suffix `_total`, unless nothing valid is left.
fn without_total(kind: MetricKind, written: &str) -> &str {
    match (kind, written.rsplit_once(SEPARATORS)) {
        (MetricKind::Counter | MetricKind::Sum, Some((name, "total")))
            if check_metric_name(kind, name).is_ok() =>
        {
            name
        }
        _ => written,
    }
}

/// Whether two units have the same word in Prometheus: `By` and `B`.
fn is_same_unit(unit: &str, other: &str) -> bool {
    unit == other || unit_word(unit).is_some_and(|word| unit_word(other) == Some(word))
}

fn unit_word(unit: &str) -> Option<&'static str> {
    UNITS.iter().find_map(|(word, known)| (*known == unit).then_some(*word))
}

/// Prometheus has one separator, `_`, for each of these.
const SEPARATORS: [char; 4] = ['_', '.', '-', '/'];

/// The words that Prometheus exporters append for a unit, by the OpenTelemetry–Prometheus compatibility specification. If a word
/// has several units, the first one is that of [UCUM](https://ucum.org).
const UNITS: [(&str, &str); 32] = [
    ("days", "d"),
    ("hours", "h"),
    ("minutes", "min"),
    ("seconds", "s"),
    ("milliseconds", "ms"),
    ("microseconds", "us"),
    ("nanoseconds", "ns"),
    ("bytes", "By"),
    ("bytes", "B"),
    ("kibibytes", "KiBy"),
    ("mebibytes", "MiBy"),
    ("gibibytes", "GiBy"),
    ("tebibytes", "TiBy"),
    ("kilobytes", "kBy"),
    ("kilobytes", "KBy"),
    ("kilobytes", "KB"),
    ("megabytes", "MBy"),
    ("megabytes", "MB"),
    ("gigabytes", "GBy"),
    ("gigabytes", "GB"),
    ("terabytes", "TBy"),
    ("terabytes", "TB"),
    ("meters", "m"),
    ("volts", "V"),
    ("amperes", "A"),
    ("joules", "J"),
    ("watts", "W"),
    ("grams", "g"),
    ("celsius", "Cel"),
    ("hertz", "Hz"),
    ("percent", "%"),
    ("ratio", "1"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::metric::MetricKind::{Counter, Gauge, Histogram, InFlight, Sum, UpDown};

    //
    #[test]
    fn the_suffix_of_a_name_is_its_unit() {
        for (kind, written, name, unit) in [
            (Counter, "checkouts_total", "checkouts", ""),
            (Counter, "checkouts", "checkouts", ""),
            (Counter, "cache.hits.total", "cache.hits", ""),
            // A number of spans is not a number of seconds.
            (Counter, "wait_seconds_total", "wait_seconds", ""),
            (InFlight, "jobs_total", "jobs_total", ""),
            (InFlight, "open_bytes", "open_bytes", ""),
            (Sum, "sent_bytes_total", "sent", "By"),
            (Sum, "sent_bytes", "sent", "By"),
            (Sum, "sent_total", "sent", ""),
            (Sum, "hit_ratio_total", "hit_ratio", ""),
            (UpDown, "queue_bytes", "queue", "By"),
            (UpDown, "queue_total", "queue_total", ""),
            (Histogram, "wait_seconds", "wait", "s"),
            (Histogram, "wait.milliseconds", "wait", "ms"),
            (Gauge, "used_ratio", "used", "1"),
            (Gauge, "used_percent", "used", "%"),
            (Gauge, "load", "load", ""),
            // The word is not at the end, or is a part of another word.
            (Gauge, "bytes_used", "bytes_used", ""),
            (Gauge, "kiloseconds", "kiloseconds", ""),
            (Gauge, "rate_bytes_per_second", "rate_bytes_per_second", ""),
            // Nothing valid would be left.
            (Gauge, "seconds", "seconds", ""),
            (Counter, "total", "total", ""),
            (Counter, "a__total", "a__total", ""),
            (Sum, "bytes_total", "bytes", ""),
        ] {
            let rule = Rule::event("e");
            assert_eq!(
                rule.instrument(kind, written),
                InstrumentName { name, unit },
                "{kind} {written}"
            );
        }
    }

    //
    #[test]
    fn a_duration_is_in_seconds_unless_the_name_or_the_rule_says_otherwise() {
        for (written, unit, expected) in [
            ("wait", None, ("wait", "s")),
            ("wait_seconds", None, ("wait", "s")),
            ("wait_milliseconds", None, ("wait", "ms")),
            ("wait_seconds", Some("s"), ("wait", "s")),
            ("wait_milliseconds", Some("ms"), ("wait", "ms")),
            ("wait", Some("us"), ("wait", "us")),
            // Durations are not recorded in these units.
            ("wait_minutes", None, ("wait_minutes", "s")),
            ("wait_bytes", None, ("wait_bytes", "s")),
        ] {
            let rule = Rule::span("s").with_duration(written);
            let rule = unit.into_iter().fold(rule, Rule::with_unit);
            let InstrumentName { name, unit } = rule.instrument(Histogram, written);
            assert_eq!((name, unit), expected, "{written}");
            assert_eq!(rule.duration_unit(), expected.1, "{written}");
        }
    }

    #[test]
    fn units_with_the_same_word_do_not_contradict_each_other() {
        let rule = |unit: &'static str| Rule::event("e").with_unit(unit);
        assert_eq!(rule("B").contradicted_unit(Gauge, "size_bytes"), None);
        assert_eq!(
            rule("B").instrument(Gauge, "size_bytes"),
            InstrumentName { name: "size", unit: "B" }
        );
        assert_eq!(rule("KiBy").contradicted_unit(Gauge, "size_bytes"), Some("By"));
        assert_eq!(rule("{item}").contradicted_unit(Gauge, "size_bytes"), Some("By"));
        assert_eq!(rule("KiBy").contradicted_unit(Gauge, "size"), None);
        assert_eq!(rule("KiBy").contradicted_unit(Counter, "size_bytes_total"), None);
    }
}
