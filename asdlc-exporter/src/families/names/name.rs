//! Makes the exposed names of families, by the OpenTelemetry–Prometheus compatibility specification.
//!
//! The name of an instrument gets the namespace, the unit and, for counters, `_total`. A suffix that
//! the name already has is not added again. Each run of invalid characters and `_` becomes one `_`,
//! unless the strategy allows UTF-8.

use crate::families::{labels::key::KeyStyle, model::FamilyKind};
use std::borrow::Cow;

/// How the names of instruments become the names of families.
///
/// ```
/// use asdlc_exporter::{Exporter, TranslationStrategy};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let exporter = Exporter::builder("shop")
///     .with_translation_strategy(TranslationStrategy::UnderscoreEscapingWithoutSuffixes)
///     .build()?;
/// exporter.meter().u64_counter("http.requests").build().add(1, &[]);
/// assert!(exporter.render()?.contains("http_requests{service=\"shop\"} 1\n"));
/// # Ok(()) }
/// ```
///
/// The variants have the same names as in the OpenTelemetry specification, and as the values of
/// `translation_strategy` in the configuration of a Prometheus server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TranslationStrategy {
    /// Invalid characters become `_`. Unit and type are suffixes: the counter `http.sent` with the
    /// unit `By` is `http_sent_bytes_total`.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// Invalid characters become `_`. No suffix is added: the counter `http.sent` with the unit `By` is
    /// `http_sent`. Suffixes that the instrument's name has are kept.
    ///
    /// In `OpenMetrics`, a counter without `_total` has the type `unknown`. Two instruments
    /// that differ only in their unit have the same name.
    UnderscoreEscapingWithoutSuffixes,
    /// Names and attribute keys are in UTF-8, as they were recorded. Unit and type are suffixes: the counter
    /// `http.sent` with the unit `By` is `http.sent_bytes_total`.
    ///
    /// Prometheus 3 requests UTF-8 names by default. A scraper that does not request them gets escaped names:
    /// `http_sent_bytes_total`. Two names or keys can have the same escaped form, for example `a.b` and `a_b`.
    /// Then one of them gets another form, which Prometheus can decode: `U__a_2e_b`. See
    /// [`Format`](crate::Format).
    ///
    /// What scrapers refuse is replaced: the empty key becomes `key`, a key that begins with `__` begins with
    /// `_` instead, and the character 0 becomes `_`.
    NoUTF8EscapingWithSuffixes,
    /// Names and attribute keys are in UTF-8, as they were recorded. No suffix is added: the counter
    /// `http.sent` with the unit `By` is `http.sent`.
    ///
    /// A counter without `_total` has the type `unknown` in `OpenMetrics`, as with
    /// [`UnderscoreEscapingWithoutSuffixes`](Self::UnderscoreEscapingWithoutSuffixes). Names are escaped as with
    /// [`NoUTF8EscapingWithSuffixes`](Self::NoUTF8EscapingWithSuffixes).
    NoTranslation,
}

impl TranslationStrategy {
    fn has_suffixes(self) -> bool {
        matches!(self, Self::UnderscoreEscapingWithSuffixes | Self::NoUTF8EscapingWithSuffixes)
    }

    fn allows_utf8(self) -> bool {
        matches!(self, Self::NoUTF8EscapingWithSuffixes | Self::NoTranslation)
    }

    /// The label keys that attribute keys become.
    pub(crate) fn key_style(self) -> KeyStyle {
        if self.allows_utf8() { KeyStyle::Utf8 } else { KeyStyle::Classic }
    }

    /// The unit in words; see [`unit_words`].
    pub(crate) fn unit_words(self, unit: &str, kind: FamilyKind) -> String {
        unit_words(unit, kind, self.allows_utf8())
    }
}

/// Appends the family name of an instrument: prefix (the namespace with `_`), name, unit and, for counters,
/// `_total`.
pub(crate) fn push_family_name(
    out: &mut String,
    strategy: TranslationStrategy,
    prefix: &str,
    name: &str,
    unit: &str,
    kind: FamilyKind,
) {
    let begin = out.len();
    let start = begin + prefix.len();
    if strategy.allows_utf8() {
        out.push_str(prefix);
        out.push_str(&without_null(name));
    } else {
        push_instrument_name(out, prefix, name);
    }
    if strategy.has_suffixes() {
        push_suffixes(out, start, &strategy.unit_words(unit, kind), kind, strategy.allows_utf8());
    }
    if out.len() == begin {
        out.push('_');
    }
    // Without the suffix, the name would be empty: Python's parser refuses the whole exposition.
    if kind == FamilyKind::Counter && out[begin..] == *TOTAL {
        out.insert(begin, '_');
    }
}

/// The name with `_` for each character 0, with which Prometheus refuses the whole scrape.
pub(crate) fn without_null(name: &str) -> Cow<'_, str> {
    if name.contains('\0') { Cow::Owned(name.replace('\0', "_")) } else { Cow::Borrowed(name) }
}

/// Appends the unit and, for counters, `_total`. The name without the prefix begins at `start`.
fn push_suffixes(
    out: &mut String,
    start: usize,
    unit_words: &str,
    kind: FamilyKind,
    is_utf8: bool,
) {
    // In UTF-8, `requests.total` already has its suffix too.
    let is_delimiter = |c: char| if is_utf8 { !c.is_alphanumeric() } else { c == '_' };
    let push_suffix = |out: &mut String, words: &str| {
        if is_utf8 || !out.ends_with('_') {
            out.push('_');
        }
        out.push_str(words);
    };
    if kind == FamilyKind::Counter {
        let rest = out[start..].strip_suffix(&TOTAL[1..]);
        let rest = rest.and_then(|rest| rest.strip_suffix(is_delimiter)).map(str::len);
        out.truncate(rest.map_or(out.len(), |len| start + len));
    }
    if !unit_words.is_empty() && !contains_words(&out[start..], unit_words, is_delimiter) {
        push_suffix(out, unit_words);
    }
    if kind == FamilyKind::Counter {
        push_suffix(out, &TOTAL[1..]);
    }
}

/// Appends the name of an instrument, after the prefix. Each run of `_` and of characters that
/// Prometheus rejects becomes one `_`.
pub(crate) fn push_instrument_name(out: &mut String, prefix: &str, name: &str) {
    out.push_str(prefix);
    if prefix.is_empty() && !starts_well(name) {
        out.push('_');
    }
    push_collapsed(out, name, is_name_char);
}

/// Appends a name that is final, without characters that Prometheus rejects. A valid name does not
/// change.
pub(crate) fn push_final_name(out: &mut String, name: &str) {
    if starts_well(name) && name.chars().all(is_name_char) {
        out.push_str(name);
    } else {
        push_instrument_name(out, "", name);
    }
}

/// The unit in Prometheus' words: `seconds` for `s`, `bytes_per_second` for `By/s`. A unit that
/// Prometheus has no word for stays as it is, or without invalid characters if UTF-8 is not allowed.
/// Annotations, for example `{request}`, are left out.
pub(crate) fn unit_words(unit: &str, kind: FamilyKind, is_utf8: bool) -> String {
    let push_unit = if is_utf8 { push_utf8_unit } else { push_unit };
    let mut words = String::new();
    let (base, per) = match unit.split_once('/') {
        Some((base, per)) => (base, without_annotation(per)),
        None => (unit, ""),
    };
    match without_annotation(base) {
        // Counters often have the unit `1`, but a count is not a ratio.
        "1" if per.is_empty() && kind != FamilyKind::Counter => words.push_str("ratio"),
        "1" => {}
        base => push_unit(&mut words, unit_word(base).unwrap_or(base)),
    }
    let base_len = words.len();
    push_unit(&mut words, per_unit_word(per).unwrap_or(per));
    if words.len() > base_len {
        let link = if base_len == 0 { "per_" } else { "_per_" };
        words.insert_str(base_len, link);
    }
    words
}

/// Appends `text` with one `_` for each run of `_` and of invalid characters. If `out` ends in `_`, a run
/// at the start of `text` adds none.
pub(crate) fn push_collapsed(out: &mut String, text: &str, is_valid: impl Fn(char) -> bool) {
    for c in text.chars() {
        let c = if is_valid(c) { c } else { '_' };
        if c != '_' || !out.ends_with('_') {
            out.push(c);
        }
    }
}

fn starts_well(name: &str) -> bool {
    name.starts_with(|c: char| is_name_char(c) && !c.is_ascii_digit())
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// An annotation such as `{request}` only repeats what the name says.
fn without_annotation(unit: &str) -> &str {
    unit.split('{').next().unwrap_or_default().trim()
}

/// Appends a unit, without `_` at its ends.
fn push_unit(out: &mut String, unit: &str) {
    let mut words = String::new();
    push_collapsed(&mut words, unit, |c| c.is_ascii_alphanumeric() || c == '_');
    out.push_str(words.trim_matches('_'));
}

fn push_utf8_unit(out: &mut String, unit: &str) {
    out.push_str(&without_null(unit));
}

fn unit_word(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" | "B" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tebibytes",
        "kBy" | "KBy" | "KB" => "kilobytes",
        "MBy" | "MB" => "megabytes",
        "GBy" | "GB" => "gigabytes",
        "TBy" | "TB" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        _ => return None,
    })
}

fn per_unit_word(unit: &str) -> Option<&'static str> {
    Some(match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        _ => return None,
    })
}

/// Whether `name` has `words` between delimiters or at one of its ends.
fn contains_words(name: &str, words: &str, is_delimiter: impl Fn(char) -> bool) -> bool {
    name.match_indices(words).any(|(at, _)| {
        let (before, after) = (&name[..at], &name[at + words.len()..]);
        (before.is_empty() || before.ends_with(&is_delimiter))
            && (after.is_empty() || after.starts_with(&is_delimiter))
    })
}

const TOTAL: &str = "_total";

#[cfg(test)]
mod tests {
    use super::*;

    fn family_name(prefix: &str, name: &str, unit: &str, kind: FamilyKind) -> String {
        let mut out = String::from("before");
        push_family_name(&mut out, TranslationStrategy::default(), prefix, name, unit, kind);
        out.split_off("before".len())
    }

    // O-08
    #[test]
    fn family_names_end_in_unit_and_total_once() {
        for (name, unit, kind, expected) in [
            ("requests", "", FamilyKind::Counter, "requests_total"),
            ("requests_total", "", FamilyKind::Counter, "requests_total"),
            ("requests_total", "{request}", FamilyKind::Counter, "requests_total"),
            ("requests", "1", FamilyKind::Counter, "requests_total"),
            ("requests_total", "By", FamilyKind::Counter, "requests_bytes_total"),
            ("sent_bytes_total", "By", FamilyKind::Counter, "sent_bytes_total"),
            ("http.server.duration", "s", FamilyKind::Histogram, "http_server_duration_seconds"),
            ("duration_seconds", "s", FamilyKind::Histogram, "duration_seconds"),
            ("seconds", "s", FamilyKind::Gauge, "seconds"),
            ("seconds_spent", "s", FamilyKind::Gauge, "seconds_spent"),
            ("milliseconds_spent", "s", FamilyKind::Gauge, "milliseconds_spent_seconds"),
            ("nonseconds", "s", FamilyKind::Gauge, "nonseconds_seconds"),
            ("queue.used", "1", FamilyKind::Gauge, "queue_used_ratio"),
            ("disk", "By/s", FamilyKind::Gauge, "disk_bytes_per_second"),
            ("disk_bytes_per_second", "By/s", FamilyKind::Gauge, "disk_bytes_per_second"),
            ("ticks", "{tick}/s", FamilyKind::Gauge, "ticks_per_second"),
            ("ticks", "1/s", FamilyKind::Gauge, "ticks_per_second"),
            ("disk", "By/fortnight", FamilyKind::Gauge, "disk_bytes_per_fortnight"),
            ("load", "furlong", FamilyKind::Gauge, "load_furlong"),
            ("load_furlong", "furlong", FamilyKind::Gauge, "load_furlong"),
            ("load", "By{page}", FamilyKind::Gauge, "load_bytes"),
            ("load", "kBy", FamilyKind::Gauge, "load_kilobytes"),
            ("load", "°", FamilyKind::Gauge, "load"),
            ("load.", "s", FamilyKind::Gauge, "load_seconds"),
            ("load_", "", FamilyKind::Counter, "load_total"),
            ("workers_total", "", FamilyKind::Gauge, "workers_total"),
            ("a..b/-c", "", FamilyKind::Gauge, "a_b_c"),
            ("a__b", "", FamilyKind::Gauge, "a_b"),
            ("1st", "", FamilyKind::Gauge, "_1st"),
            ("", "", FamilyKind::Gauge, "_"),
            ("_total", "", FamilyKind::Counter, "__total"),
            ("\0", "", FamilyKind::Counter, "__total"),
            ("_", "", FamilyKind::Counter, "__total"),
            ("température", "Cel", FamilyKind::Gauge, "temp_rature_celsius"),
        ] {
            assert_eq!(family_name("", name, unit, kind), expected, "{name:?} in {unit:?}");
        }
        assert_eq!(family_name("asdlc_", "1st", "", FamilyKind::Gauge), "asdlc_1st");
        assert_eq!(family_name("asdlc_", "_a", "", FamilyKind::Gauge), "asdlc_a");
        assert_eq!(family_name("seconds_", "up", "s", FamilyKind::Gauge), "seconds_up_seconds");
    }

    // X-09
    #[test]
    fn without_suffixes_only_characters_are_replaced() {
        for (name, unit, kind, expected) in [
            ("http.requests", "1", FamilyKind::Counter, "http_requests"),
            ("http.requests_total", "", FamilyKind::Counter, "http_requests_total"),
            ("wait", "s", FamilyKind::Histogram, "wait"),
            ("wait_seconds", "s", FamilyKind::Histogram, "wait_seconds"),
            ("used", "1", FamilyKind::Gauge, "used"),
            ("1st", "", FamilyKind::Gauge, "_1st"),
        ] {
            let mut out = String::new();
            let strategy = TranslationStrategy::UnderscoreEscapingWithoutSuffixes;
            push_family_name(&mut out, strategy, "", name, unit, kind);
            assert_eq!(out, expected, "{name:?} in {unit:?}");
        }
    }

    // X-14
    #[test]
    fn names_in_utf8_stay_and_get_suffixes_once() {
        for (name, unit, kind, with_suffixes, without) in [
            ("http.sent", "By", FamilyKind::Counter, "http.sent_bytes_total", "http.sent"),
            (
                "http.requests.total",
                "",
                FamilyKind::Counter,
                "http.requests_total",
                "http.requests.total",
            ),
            ("sent.bytes.total", "By", FamilyKind::Counter, "sent.bytes_total", "sent.bytes.total"),
            ("subtotal", "", FamilyKind::Counter, "subtotal_total", "subtotal"),
            ("wait.seconds", "s", FamilyKind::Histogram, "wait.seconds", "wait.seconds"),
            (
                "wait.milliseconds",
                "s",
                FamilyKind::Histogram,
                "wait.milliseconds_seconds",
                "wait.milliseconds",
            ),
            ("load", "\0/\0", FamilyKind::Gauge, "load___per__", "load"),
            ("load.", "°", FamilyKind::Gauge, "load._°", "load."),
            ("a..b__c", "", FamilyKind::Gauge, "a..b__c", "a..b__c"),
            ("1st", "1", FamilyKind::Gauge, "1st_ratio", "1st"),
            ("", "", FamilyKind::Gauge, "_", "_"),
            ("", "", FamilyKind::Counter, "__total", "_"),
            ("_total", "", FamilyKind::Counter, "__total", "__total"),
            (".total", "", FamilyKind::Counter, "__total", ".total"),
            ("a\0b", "", FamilyKind::Gauge, "a_b", "a_b"),
            ("花火", "s", FamilyKind::Gauge, "花火_seconds", "花火"),
        ] {
            for (strategy, expected) in [
                (TranslationStrategy::NoUTF8EscapingWithSuffixes, with_suffixes),
                (TranslationStrategy::NoTranslation, without),
            ] {
                let mut out = String::from("before");
                push_family_name(&mut out, strategy, "", name, unit, kind);
                assert_eq!(out.split_off("before".len()), expected, "{name:?} in {unit:?}");
            }
        }
        let mut out = String::new();
        let strategy = TranslationStrategy::NoUTF8EscapingWithSuffixes;
        push_family_name(&mut out, strategy, "seconds_", "up", "s", FamilyKind::Gauge);
        assert_eq!(out, "seconds_up_seconds");
    }

    #[test]
    fn a_valid_final_name_does_not_change() {
        for (name, expected) in [("a__b_", "a__b_"), (":a", ":a"), ("a__b.", "a_b_"), ("1", "_1")] {
            let mut out = String::new();
            push_final_name(&mut out, name);
            assert_eq!(out, expected);
        }
    }
}
