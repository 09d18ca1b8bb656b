//! Makes the exposed names of families, by the OpenTelemetry–Prometheus compatibility specification.
//!
//! A name gets the namespace, the unit and, for counters, `_total`. A name that Prometheus accepts
//! does not change otherwise. In any other name, each run of invalid characters and `_` becomes one
//! `_`. A suffix that the name already has is not added again.

use crate::families::model::FamilyKind;

/// Appends the family name of an instrument: prefix (the namespace with `_`), name, unit and, for counters,
/// `_total`.
pub(crate) fn push_family_name(
    out: &mut String,
    prefix: &str,
    name: &str,
    unit: &str,
    kind: FamilyKind,
) {
    let start = out.len() + prefix.len();
    push_name(out, prefix, name);
    if kind == FamilyKind::Counter && out[start..].ends_with(TOTAL) {
        out.truncate(out.len() - TOTAL.len());
    }
    let end = out.len();
    push_unit(out, unit, kind);
    if contains_words(&out[start..end], out[end..].trim_start_matches('_')) {
        out.truncate(end);
    }
    if kind == FamilyKind::Counter {
        out.push_str(TOTAL);
    }
}

/// Appends prefix and name, without characters that Prometheus rejects.
pub(crate) fn push_name(out: &mut String, prefix: &str, name: &str) {
    out.push_str(prefix);
    if prefix.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':')
    {
        out.push('_');
    }
    push_sanitized(out, name, |c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
}

/// The unit in Prometheus' words: `seconds` for `s`, empty for a unit that Prometheus has no word for.
pub(crate) fn unit_words(unit: &str, kind: FamilyKind) -> String {
    let mut words = String::new();
    push_unit(&mut words, unit, kind);
    words.split_off(words.len().min(1))
}

/// Appends `text`. If it has invalid characters, each run of these and of `_` becomes one `_`.
pub(crate) fn push_sanitized(out: &mut String, text: &str, is_valid: impl Fn(char) -> bool) {
    if text.chars().all(&is_valid) {
        out.push_str(text);
        return;
    }
    let start = out.len();
    for c in text.chars() {
        let c = if is_valid(c) { c } else { '_' };
        if c != '_' || !out[start..].ends_with('_') {
            out.push(c);
        }
    }
}

/// Appends `_seconds` for `s`, `_bytes_per_second` for `By/s`, and nothing for a unit that Prometheus
/// has no word for.
fn push_unit(out: &mut String, unit: &str, kind: FamilyKind) {
    let (base, per) = unit.split_once('/').map_or((unit, None), |(base, per)| (base, Some(per)));
    let per = match per.map(per_unit_word) {
        Some(None) => return,
        per => per.flatten(),
    };
    // An annotation such as `{request}` only repeats what the name says.
    let base = match base.split('{').next() {
        // Counters often have the unit `1`, but a count is not a ratio.
        Some("1") if per.is_none() && kind != FamilyKind::Counter => Some("ratio"),
        base => base.and_then(unit_word),
    };
    for (link, word) in [("_", base), ("_per_", per)] {
        if let Some(word) = word {
            out.push_str(link);
            out.push_str(word);
        }
    }
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
        "TiBy" => "tibibytes",
        "KBy" | "KB" => "kilobytes",
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

/// Whether `name` has `words` between underscores or at one of its ends.
fn contains_words(name: &str, words: &str) -> bool {
    name.match_indices(words).any(|(at, _)| {
        let (before, after) = (&name[..at], &name[at + words.len()..]);
        (before.is_empty() || before.ends_with('_')) && (after.is_empty() || after.starts_with('_'))
    })
}

const TOTAL: &str = "_total";

#[cfg(test)]
mod tests {
    use super::*;

    fn family_name(prefix: &str, name: &str, unit: &str, kind: FamilyKind) -> String {
        let mut out = String::from("before");
        push_family_name(&mut out, prefix, name, unit, kind);
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
            ("disk", "By/fortnight", FamilyKind::Gauge, "disk"),
            ("load", "furlong", FamilyKind::Gauge, "load"),
            ("workers_total", "", FamilyKind::Gauge, "workers_total"),
            ("a..b/-c", "", FamilyKind::Gauge, "a_b_c"),
            ("a__b", "", FamilyKind::Gauge, "a__b"),
            ("1st", "", FamilyKind::Gauge, "_1st"),
            ("", "", FamilyKind::Gauge, "_"),
            ("_total", "", FamilyKind::Counter, "_total"),
            ("température", "Cel", FamilyKind::Gauge, "temp_rature_celsius"),
        ] {
            assert_eq!(family_name("", name, unit, kind), expected, "{name:?} in {unit:?}");
        }
        assert_eq!(family_name("asdlc_", "1st", "", FamilyKind::Gauge), "asdlc_1st");
        assert_eq!(family_name("seconds_", "up", "s", FamilyKind::Gauge), "seconds_up_seconds");
    }
}
