//! The test cases of the Go module `github.com/prometheus/otlptranslator`, which translates names for a
//! Prometheus server.
//!
//! They are those of `metric_namer_test.go` and `label_namer_test.go` at commit
//! `51da77392288a9e499af0900c6cde6a8d769dc34` (19 July 2026, after version 1.0.0; Apache License 2.0), all of
//! them. `None` is an error of that module.
//! Each table of differences has our result and the reason. `docs/conformance.md` has the same list.

use crate::families::{
    labels::key::{KeyStyle, check_label_key, label_key},
    model::FamilyKind::{self, Counter, Gauge, Histogram, Summary},
    names::name::{
        TranslationStrategy::{
            self, NoTranslation, NoUTF8EscapingWithSuffixes, UnderscoreEscapingWithSuffixes,
            UnderscoreEscapingWithoutSuffixes,
        },
        push_family_name,
    },
};

//
#[test]
fn names_are_those_of_otlptranslator() {
    for (namespace, name, unit, kind, expected, unit_name) in WITH_SUFFIXES {
        let ours = family_name(UnderscoreEscapingWithSuffixes, namespace, name, unit, kind);
        assert_eq!(ours, expected_name(name, unit, expected), "{name:?} in {unit:?}");
        let expected = match UNIT_DIFFERENCES.iter().find(|(other, ..)| *other == unit) {
            Some((_, ours, _)) if kind != Counter => ours,
            _ => unit_name,
        };
        let words = UnderscoreEscapingWithSuffixes.unit_words(unit, kind);
        assert_eq!(words, expected, "{unit:?} of a {kind:?}");
    }
    for (namespace, name, unit, kind, expected) in WITHOUT_SUFFIXES {
        let ours = family_name(UnderscoreEscapingWithoutSuffixes, namespace, name, unit, kind);
        let input = if namespace.is_empty() { name } else { namespace };
        assert_eq!(ours, expected_name(input, unit, expected), "{name:?} in {unit:?}");
    }
}

//
#[test]
fn names_in_utf8_are_those_of_otlptranslator() {
    for (namespace, name, unit, kind, expected, unit_name) in UTF8_WITH_SUFFIXES {
        let ours = family_name(NoUTF8EscapingWithSuffixes, namespace, name, unit, kind);
        let expected = check_namespace(namespace).map(|()| expected.to_owned());
        assert_eq!(ours, expected, "{name:?} in {unit:?}");
        // A unit `1` of a gauge is `ratio`, as above.
        let words = NoUTF8EscapingWithSuffixes.unit_words(unit, kind);
        assert_eq!(words, if unit == "1" { "ratio" } else { unit_name }, "{unit:?} of a {kind:?}");
    }
    for (namespace, name, unit, kind, expected) in UTF8_WITHOUT_SUFFIXES {
        let ours = family_name(NoTranslation, namespace, name, unit, kind);
        assert_eq!(ours.as_deref(), Some(expected), "{name:?} in {unit:?}");
    }
    for (key, ..) in LABELS {
        let difference = UTF8_LABEL_DIFFERENCES.iter().find(|(other, ..)| *other == key);
        let expected = difference.map_or(key, |(_, ours, _)| ours);
        assert_eq!(KeyStyle::Utf8.label_key(key), expected);
    }
}

//
#[test]
fn label_keys_are_those_of_otlptranslator() {
    for (key, expected) in LABELS {
        let expected = match LABEL_DIFFERENCES.iter().find(|(other, ..)| *other == key) {
            Some((_, ours, _)) => ours,
            None => expected.expect("a difference for each error"),
        };
        assert_eq!(label_key(key), expected, "{key:?}");
    }
}

// no difference is listed that is none.
#[test]
fn the_listed_differences_exist() {
    let all = WITH_SUFFIXES.map(|(_, name, unit, _, expected, _)| (name, unit, expected));
    let names = || {
        let plain =
            WITHOUT_SUFFIXES.iter().map(|(_, name, unit, _, expected)| (*name, *unit, *expected));
        let namespaces = WITHOUT_SUFFIXES
            .iter()
            .map(|(namespace, _, unit, _, expected)| (*namespace, *unit, *expected));
        all.iter().copied().chain(plain).chain(namespaces)
    };
    for (input, unit, ours, _) in DIFFERENCES {
        let theirs = names().find(|(name, other, _)| (*name, *other) == (input, unit));
        let (.., theirs) = theirs.expect("a case");
        assert_ne!(ours, theirs, "{input:?}");
    }
    for (key, ours, _) in LABEL_DIFFERENCES {
        let (_, theirs) = LABELS.iter().find(|(other, _)| *other == key).expect("a case");
        assert_ne!(Some(ours), *theirs, "{key:?}");
    }
}

/// `None` if the namespace is refused.
fn family_name(
    strategy: TranslationStrategy,
    namespace: &str,
    name: &str,
    unit: &str,
    kind: FamilyKind,
) -> Option<String> {
    check_namespace(namespace)?;
    let prefix = if namespace.is_empty() { String::new() } else { format!("{namespace}_") };
    let mut out = String::new();
    push_family_name(&mut out, strategy, &prefix, name, unit, kind);
    Some(out)
}

/// `None` if the builder refuses the namespace.
fn check_namespace(namespace: &str) -> Option<()> {
    if namespace.is_empty() { Some(()) } else { check_label_key(namespace).ok() }
}

/// The name that we are to write.
fn expected_name(input: &str, unit: &str, theirs: Option<&str>) -> Option<String> {
    let difference =
        DIFFERENCES.iter().find(|(other, other_unit, ..)| (*other, *other_unit) == (input, unit));
    difference.map_or(theirs, |(_, _, ours, _)| *ours).map(str::to_owned)
}

/// Our names where they differ: name or namespace, unit, our name, the reason.
const DIFFERENCES: [(&str, &str, Option<&str>, &str); 6] = [
    ("capacity", "TiBy", Some("capacity_tebibytes"), "the specification says `tebibytes`"),
    ("", "", Some("_"), "a metric is never lost because of its name"),
    ("@#$%", "", Some("_"), "a metric is never lost because of its name"),
    ("@_#_$_%", "", Some("_"), "a metric is never lost because of its name"),
    ("___", "", Some("_"), "the specification: one `_` for several, in every strategy"),
    ("test@namespace!!??", "", None, "an invalid namespace is an error of the builder"),
];

/// Our units where they differ: unit, our unit, the reason. They are in the line `UNIT` of `OpenMetrics`.
const UNIT_DIFFERENCES: [(&str, &str, &str); 2] = [
    ("TiBy", "tebibytes", "the specification says `tebibytes`"),
    ("1", "ratio", "the name ends in `_ratio`, and `OpenMetrics` lists `ratio` as a unit"),
];

/// Our label keys where they differ: attribute key, our key, the reason.
const LABEL_DIFFERENCES: [(&str, &str, &str); 4] = [
    ("ようこそ", "_", "an attribute is never lost because of its key"),
    (
        "__reserved__label__name__",
        "_reserved_label_name_",
        "scrapers refuse labels like `__name__`",
    ),
    ("", "key", "an attribute is never lost because of its key"),
    ("__", "_", "an attribute is never lost because of its key"),
];

/// The same with UTF-8, where that module changes no key, and refuses the empty one and `__`.
const UTF8_LABEL_DIFFERENCES: [(&str, &str, &str); 4] = [
    ("__label_starting_with_2underscores", "_label_starting_with_2underscores", RESERVED),
    ("__reserved__label__name__", "_reserved__label__name__", RESERVED),
    ("", "key", "an attribute is never lost because of its key"),
    ("__", "_", RESERVED),
];

const RESERVED: &str = "Prometheus reserves keys that begin with `__`";

/// With `PreserveMultipleUnderscores` and `UnderscoreLabelSanitization` off.
const LABELS: [(&str, Option<&str>); 16] = [
    ("label:with:colons", Some("label_with_colons")),
    ("LabelWithCapitalLetters", Some("LabelWithCapitalLetters")),
    ("label!with&special$chars)", Some("label_with_special_chars_")),
    ("label_with_foreign_characters_字符", Some("label_with_foreign_characters_")),
    ("label.with.dots", Some("label_with_dots")),
    (".foo", Some("_foo")),
    ("123label", Some("key_123label")),
    ("_label_starting_with_underscore", Some("_label_starting_with_underscore")),
    ("__label_starting_with_2underscores", Some("_label_starting_with_2underscores")),
    ("ようこそ", None),
    ("label__with__double__underscores", Some("label_with_double_underscores")),
    ("label.name__with&&special##chars", Some("label_name_with_special_chars")),
    ("__reserved__label__name__", Some("__reserved_label_name__")),
    ("trailing_underscores___", Some("trailing_underscores_")),
    ("", None),
    ("__", None),
];

/// Namespace, name, unit, kind, family name.
const WITHOUT_SUFFIXES: [(&str, &str, &str, FamilyKind, Option<&str>); 10] = [
    ("", "simple_metric", "", Gauge, Some("simple_metric")),
    ("", "metric@with#special$chars", "", Gauge, Some("metric_with_special_chars")),
    ("", "123metric", "", Gauge, Some("_123metric")),
    ("test_namespace", "simple_metric", "", Gauge, Some("test_namespace_simple_metric")),
    ("", "", "", Gauge, None),
    ("", "metric@@##$$name", "", Gauge, Some("metric_name")),
    ("", "@#$%", "", Gauge, None),
    ("", "@_#_$_%", "", Gauge, None),
    ("test@namespace!!??", "metric", "", Gauge, Some("test_namespace_metric")),
    ("", "___", "", Gauge, Some("___")),
];

/// Namespace, name, unit, kind, family name, unit in words.
type Case =
    (&'static str, &'static str, &'static str, FamilyKind, Option<&'static str>, &'static str);

const WITH_SUFFIXES: [Case; 57] = [
    ("", "requests", "", Counter, Some("requests_total"), ""),
    ("", "cpu_usage", "1", Gauge, Some("cpu_usage_ratio"), ""),
    ("", "items", "1", Counter, Some("items_total"), ""),
    ("", "response_time", "ms", Gauge, Some("response_time_milliseconds"), "milliseconds"),
    ("", "memory_usage", "By", Gauge, Some("memory_usage_bytes"), "bytes"),
    ("", "requests", "1/s", Gauge, Some("requests_per_second"), "per_second"),
    ("", "throughput", "By/s", Gauge, Some("throughput_bytes_per_second"), "bytes_per_second"),
    ("", "custom_metric", "custom_unit", Gauge, Some("custom_metric_custom_unit"), "custom_unit"),
    ("", "custom_metric", "{custom}", Gauge, Some("custom_metric"), ""),
    ("", "custom_metric", "By/{custom}", Gauge, Some("custom_metric_bytes"), "bytes"),
    ("", "requests_total", "", Counter, Some("requests_total"), ""),
    ("", "cpu_usage_ratio", "1", Gauge, Some("cpu_usage_ratio"), ""),
    ("", "response_time_seconds", "s", Gauge, Some("response_time_seconds"), "seconds"),
    ("app", "requests", "1/s", Counter, Some("app_requests_per_second_total"), "per_second"),
    ("app", "123_requests", "", Counter, Some("app_123_requests_total"), ""),
    (
        "",
        "metric__with__multiple__underscores",
        "unit__multiple__underscores",
        Gauge,
        Some("metric_with_multiple_underscores_unit_multiple_underscores"),
        "unit_multiple_underscores",
    ),
    (
        "",
        "custom_metric",
        "unit@with#special/chars",
        Gauge,
        Some("custom_metric_unit_with_special_per_chars"),
        "unit_with_special_per_chars",
    ),
    ("", "@#$%", "", Gauge, None, ""),
    ("", "request_duration", "s", Histogram, Some("request_duration_seconds"), "seconds"),
    ("", "request_size", "By", Histogram, Some("request_size_bytes"), "bytes"),
    ("", "response_time", "ms", Summary, Some("response_time_milliseconds"), "milliseconds"),
    ("", "active_connections", "", Gauge, Some("active_connections"), ""),
    ("", "unknown_metric", "", Gauge, Some("unknown_metric"), ""),
    ("", "uptime", "d", Gauge, Some("uptime_days"), "days"),
    ("", "duration", "h", Gauge, Some("duration_hours"), "hours"),
    ("", "timeout", "min", Gauge, Some("timeout_minutes"), "minutes"),
    ("", "latency", "us", Gauge, Some("latency_microseconds"), "microseconds"),
    ("", "precision_time", "ns", Gauge, Some("precision_time_nanoseconds"), "nanoseconds"),
    ("", "cache_size", "KiBy", Gauge, Some("cache_size_kibibytes"), "kibibytes"),
    ("", "memory", "MiBy", Gauge, Some("memory_mebibytes"), "mebibytes"),
    ("", "storage", "GiBy", Gauge, Some("storage_gibibytes"), "gibibytes"),
    ("", "capacity", "TiBy", Gauge, Some("capacity_tibibytes"), "tibibytes"),
    ("", "transfer", "KBy", Gauge, Some("transfer_kilobytes"), "kilobytes"),
    ("", "download", "MBy", Gauge, Some("download_megabytes"), "megabytes"),
    ("", "backup", "GBy", Gauge, Some("backup_gigabytes"), "gigabytes"),
    ("", "archive", "TBy", Gauge, Some("archive_terabytes"), "terabytes"),
    ("", "distance", "m", Gauge, Some("distance_meters"), "meters"),
    ("", "voltage", "V", Gauge, Some("voltage_volts"), "volts"),
    ("", "current", "A", Gauge, Some("current_amperes"), "amperes"),
    ("", "energy", "J", Gauge, Some("energy_joules"), "joules"),
    ("", "power", "W", Gauge, Some("power_watts"), "watts"),
    ("", "weight", "g", Gauge, Some("weight_grams"), "grams"),
    ("", "temperature", "Cel", Gauge, Some("temperature_celsius"), "celsius"),
    ("", "frequency", "Hz", Gauge, Some("frequency_hertz"), "hertz"),
    ("", "cpu_usage", "%", Gauge, Some("cpu_usage_percent"), "percent"),
    ("", "requests", "1/m", Gauge, Some("requests_per_minute"), "per_minute"),
    ("", "events", "1/h", Gauge, Some("events_per_hour"), "per_hour"),
    ("", "transactions", "1/d", Gauge, Some("transactions_per_day"), "per_day"),
    ("", "reports", "1/w", Gauge, Some("reports_per_week"), "per_week"),
    ("", "invoices", "1/mo", Gauge, Some("invoices_per_month"), "per_month"),
    ("", "renewals", "1/y", Gauge, Some("renewals_per_year"), "per_year"),
    ("", "custom", "1/custom_unit", Gauge, Some("custom_per_custom_unit"), "per_custom_unit"),
    ("", "metric", "By/", Gauge, Some("metric_bytes"), "bytes"),
    ("", "metric", " By / s ", Gauge, Some("metric_bytes_per_second"), "bytes_per_second"),
    ("", "metric", "/", Gauge, Some("metric"), ""),
    (
        "",
        "http.request.duration",
        "ms",
        Histogram,
        Some("http_request_duration_milliseconds"),
        "milliseconds",
    ),
    ("", "http.requests", "1", Counter, Some("http_requests_total"), ""),
];

/// With `UTF8Allowed`: namespace, name, unit, kind, family name, unit in words.
const UTF8_WITH_SUFFIXES: [Utf8Case; 12] = [
    ("", "requests_total", "", Counter, "requests_total", ""),
    ("", "cpu_usage_ratio", "1", Gauge, "cpu_usage_ratio", ""),
    ("", "response_time_seconds", "s", Gauge, "response_time_seconds", "seconds"),
    ("", "cpu_seconds_total", "s", Counter, "cpu_seconds_total", "seconds"),
    (
        "",
        "otelcol_process_cpu_seconds",
        "s",
        Counter,
        "otelcol_process_cpu_seconds_total",
        "seconds",
    ),
    ("", "requêsts", "", Counter, "requêsts_total", ""),
    ("", "cpu_usagé", "1", Gauge, "cpu_usagé_ratio", ""),
    ("", "respønse_time", "ms", Gauge, "respønse_time_milliseconds", "milliseconds"),
    ("", "requêsts", "1/s", Gauge, "requêsts_per_second", "per_second"),
    ("ñamespace", "requêsts", "1/s", Counter, "ñamespace_requêsts_per_second_total", "per_second"),
    ("", "@#$%", "", Counter, "@#$%_total", ""),
    ("test@namespace", "metric", "", Counter, "test@namespace_metric_total", ""),
];

type Utf8Case = (&'static str, &'static str, &'static str, FamilyKind, &'static str, &'static str);

/// With `UTF8Allowed`: namespace, name, unit, kind, family name.
const UTF8_WITHOUT_SUFFIXES: [(&str, &str, &str, FamilyKind, &str); 5] = [
    ("", "___", "", Gauge, "___"),
    ("", "métric_with_ñ_chars", "", Gauge, "métric_with_ñ_chars"),
    ("test_namespace", "métric_with_ñ_chars", "", Gauge, "test_namespace_métric_with_ñ_chars"),
    ("", "http.request.duration", "ms", Histogram, "http.request.duration"),
    ("", "http.requests", "1", Counter, "http.requests"),
];
