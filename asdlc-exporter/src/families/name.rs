//! Metric names and label keys, by the OpenTelemetry–Prometheus compatibility rules.
//!
//! A name or key that Prometheus accepts stays as it is. Only one that must change has its invalid
//! characters replaced by `_`, runs of which become one. A suffix the name already has is never
//! added again.

use crate::families::model::Kind;
use std::borrow::Cow;

/// Appends the family name of an instrument: prefix, name, unit and, for counters, `_total`.
pub(crate) fn push_family_name(out: &mut String, prefix: &str, name: &str, unit: &str, kind: Kind) {
    let start = out.len() + prefix.len();
    push_name(out, prefix, name);
    if kind == Kind::Counter && out[start..].ends_with(TOTAL) {
        out.truncate(out.len() - TOTAL.len());
    }
    let end = out.len();
    push_unit(out, unit, kind);
    if contains_words(&out[start..end], out[end..].trim_start_matches('_')) {
        out.truncate(end);
    }
    if kind == Kind::Counter {
        out.push_str(TOTAL);
    }
}

/// Appends prefix and name, without characters that Prometheus refuses.
pub(crate) fn push_name(out: &mut String, prefix: &str, name: &str) {
    out.push_str(prefix);
    if prefix.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':')
    {
        out.push('_');
    }
    push_sanitised(out, name, |c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
}

/// `seconds` for the unit `s`; empty for a unit Prometheus has no word for.
pub(crate) fn unit_words(unit: &str, kind: Kind) -> String {
    let mut words = String::new();
    push_unit(&mut words, unit, kind);
    words.split_off(words.len().min(1))
}

/// The label key that stands for an attribute key.
///
/// What may not start a label gets the prefix `key`: `1st` becomes `key_1st` and `__name__` becomes
/// `key__name__`.
pub(crate) fn label_key(key: &str) -> Cow<'_, str> {
    if is_label_key(key) {
        return Cow::Borrowed(key);
    }
    let mut label = String::with_capacity("key_".len() + key.len());
    if key.is_empty() || key.starts_with("__") {
        label.push_str("key");
    } else if key.starts_with(|c: char| c.is_ascii_digit()) {
        label.push_str("key_");
    }
    push_sanitised(&mut label, key, |c| c.is_ascii_alphanumeric() || c == '_');
    Cow::Owned(label)
}

/// Whether the key can be a label as it is; `__` at its start belongs to Prometheus. The same holds
/// for a namespace.
pub(crate) fn is_label_key(key: &str) -> bool {
    let mut bytes = key.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !key.starts_with("__")
}

fn push_sanitised(out: &mut String, text: &str, is_valid: impl Fn(char) -> bool) {
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

/// Appends `_seconds` for `s`, `_bytes_per_second` for `By/s`, nothing for a unit Prometheus has no
/// word for.
fn push_unit(out: &mut String, unit: &str, kind: Kind) {
    let (base, per) = unit.split_once('/').map_or((unit, None), |(base, per)| (base, Some(per)));
    let per = match per.map(per_unit_word) {
        Some(None) => return,
        per => per.flatten(),
    };
    // An annotation such as `{request}` says what is counted, which the name says already.
    let base = match base.split('{').next() {
        // A count is no ratio, though `1` is a common unit of counters.
        Some("1") if per.is_none() && kind != Kind::Counter => Some("ratio"),
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

/// Whether `words` stands in `name` between underscores or at an end.
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

    fn family_name(prefix: &str, name: &str, unit: &str, kind: Kind) -> String {
        let mut out = String::from("before");
        push_family_name(&mut out, prefix, name, unit, kind);
        out.split_off("before".len())
    }

    // O-08
    #[test]
    fn family_names_end_in_unit_and_total_once() {
        for (name, unit, kind, expected) in [
            ("requests", "", Kind::Counter, "requests_total"),
            ("requests_total", "", Kind::Counter, "requests_total"),
            ("requests_total", "{request}", Kind::Counter, "requests_total"),
            ("requests", "1", Kind::Counter, "requests_total"),
            ("requests_total", "By", Kind::Counter, "requests_bytes_total"),
            ("sent_bytes_total", "By", Kind::Counter, "sent_bytes_total"),
            ("http.server.duration", "s", Kind::Histogram, "http_server_duration_seconds"),
            ("duration_seconds", "s", Kind::Histogram, "duration_seconds"),
            ("seconds", "s", Kind::Gauge, "seconds"),
            ("seconds_spent", "s", Kind::Gauge, "seconds_spent"),
            ("milliseconds_spent", "s", Kind::Gauge, "milliseconds_spent_seconds"),
            ("nonseconds", "s", Kind::Gauge, "nonseconds_seconds"),
            ("queue.used", "1", Kind::Gauge, "queue_used_ratio"),
            ("disk", "By/s", Kind::Gauge, "disk_bytes_per_second"),
            ("disk_bytes_per_second", "By/s", Kind::Gauge, "disk_bytes_per_second"),
            ("ticks", "{tick}/s", Kind::Gauge, "ticks_per_second"),
            ("ticks", "1/s", Kind::Gauge, "ticks_per_second"),
            ("disk", "By/fortnight", Kind::Gauge, "disk"),
            ("load", "furlong", Kind::Gauge, "load"),
            ("workers_total", "", Kind::Gauge, "workers_total"),
            ("a..b/-c", "", Kind::Gauge, "a_b_c"),
            ("a__b", "", Kind::Gauge, "a__b"),
            ("1st", "", Kind::Gauge, "_1st"),
            ("", "", Kind::Gauge, "_"),
            ("_total", "", Kind::Counter, "_total"),
            ("température", "Cel", Kind::Gauge, "temp_rature_celsius"),
        ] {
            assert_eq!(family_name("", name, unit, kind), expected, "{name:?} in {unit:?}");
        }
        assert_eq!(family_name("asdlc_", "1st", "", Kind::Gauge), "asdlc_1st");
        assert_eq!(family_name("seconds_", "up", "s", Kind::Gauge), "seconds_up_seconds");
    }

    #[test]
    fn label_keys_become_valid() {
        for (key, expected) in [
            ("method", "method"),
            ("http.route", "http_route"),
            ("a__b", "a__b"),
            ("a..b", "a_b"),
            ("co:lon", "co_lon"),
            ("_private", "_private"),
            ("1st", "key_1st"),
            ("", "key"),
            ("__name__", "key__name__"),
            (".._x", "_x"),
            ("naïve", "na_ve"),
            ("\0", "_"),
        ] {
            assert_eq!(label_key(key), expected, "{key:?}");
            assert!(is_label_key(&label_key(key)), "{key:?}");
        }
    }
}
