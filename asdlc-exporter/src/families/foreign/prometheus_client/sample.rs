//! Reads the parts of a sample line: labels, value, and what follows the value.

use crate::families::model::Number;
use std::borrow::Cow;

/// A label, without escapes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Label<'a> {
    pub(super) key: &'a str,
    pub(super) value: Cow<'a, str>,
}

/// Appends the labels in braces with which `text` begins, if any. Returns the text between the braces,
/// and the text after them. `None` if they cannot be read.
///
/// `previous` is where the labels of the previous sample begin. If a key is the same as in the previous
/// sample, it is also the same string in memory, which is then faster to compare.
pub(super) fn read_labels<'a>(
    text: &'a str,
    labels: &mut Vec<Label<'a>>,
    previous: usize,
) -> Option<(&'a str, &'a str)> {
    let Some(inside) = text.strip_prefix('{') else { return Some(("", text)) };
    if let Some(after) = inside.strip_prefix('}') {
        return Some(("", after));
    }
    let mut rest = inside;
    for at in previous.. {
        let known = labels.get(at).map(|label| label.key);
        let known = known.and_then(|key| Some((key, after_key(rest, key)?)));
        let (key, after) = match known {
            Some(known) => known,
            None => read_key(rest)?,
        };
        let (value, after) = read_value(after)?;
        labels.push(Label { key, value });
        if let Some(after) = after.strip_prefix('}') {
            let len = inside.len() - after.len() - 1;
            return Some((&inside[..len], after));
        }
        rest = after.strip_prefix(',')?;
    }
    None
}

/// The bound and the text after the braces of `{…,le="bound",…}`, if the labels without `le` are
/// `labels`, and `le` is inserted at `at`, where one of the labels begins, or at the end.
pub(super) fn read_bound<'a>(text: &'a str, labels: &str, at: usize) -> Option<(&'a str, &'a str)> {
    let (before, after) = labels.split_at_checked(at)?;
    let mut rest = text.strip_prefix('{')?.strip_prefix(before)?;
    if after.is_empty() && !before.is_empty() {
        rest = rest.strip_prefix(',')?;
    }
    let (bound, mut rest) = rest.strip_prefix("le=\"")?.split_once('"')?;
    if !after.is_empty() {
        rest = rest.strip_prefix(',')?.strip_prefix(after)?;
    }
    Some((bound, rest.strip_prefix('}')?))
}

/// The value after the labels. Checks and ignores a timestamp. Ignores an exemplar.
pub(super) fn read_number_after_space(text: &str) -> Option<Number> {
    let text = text.strip_prefix(' ')?;
    let Some((number, after)) = text.split_once(' ') else { return read_number(text) };
    let is_exemplar = after.starts_with(EXEMPLAR);
    let timestamp = || after.split_once(' ').map_or((after, EXEMPLAR), |(time, rest)| (time, rest));
    let is_timestamp = || {
        let (time, rest) = timestamp();
        rest.starts_with(EXEMPLAR) && read_number(time).is_some_and(|time| time.float().is_finite())
    };
    if is_exemplar || is_timestamp() { read_number(number) } else { None }
}

/// An integer stays an integer if it fits.
pub(super) fn read_number(text: &str) -> Option<Number> {
    if let Ok(integer) = text.parse() {
        return Some(Number::U64(integer));
    }
    if let Ok(integer) = text.parse() {
        return Some(Number::I64(integer));
    }
    // Rust's numbers are those of OpenMetrics, with `inf` and `nan` in any case.
    text.parse().ok().map(Number::F64)
}

/// The text after `key="`, if `text` begins with it.
fn after_key<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.strip_prefix(key)?.strip_prefix("=\"")
}

/// The key of a label, and the text after `key="`. The crate does not check keys, so a key can have
/// characters that Prometheus rejects. It must not have those that end a label or a line.
fn read_key(text: &str) -> Option<(&str, &str)> {
    let (key, after) = text.split_once('=')?;
    let is_key = !key.is_empty() && !key.contains(['{', '}', ',', '"', '\\', ' ']);
    is_key.then_some((key, after.strip_prefix('"')?))
}

/// The value of a label, and the text after its final quote.
fn read_value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let is_special = |byte| matches!(byte, b'"' | b'\\');
    let mut end = text.bytes().position(is_special)?;
    if text.as_bytes()[end] == b'"' {
        return Some((Cow::Borrowed(&text[..end]), &text[end + 1..]));
    }
    let (mut value, mut rest) = (String::new(), text);
    loop {
        value.push_str(&rest[..end]);
        rest = &rest[end..];
        if let Some(after) = rest.strip_prefix('"') {
            return Some((Cow::Owned(value), after));
        }
        let mut escaped = rest.chars();
        escaped.next();
        match escaped.next()? {
            'n' => value.push('\n'),
            c @ ('"' | '\\') => value.push(c),
            // OpenMetrics: any other escape is a backslash and this character.
            c => value.extend(['\\', c]),
        }
        rest = escaped.as_str();
        end = rest.bytes().position(is_special)?;
    }
}

const EXEMPLAR: &str = "# {";

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Option<Vec<(String, String)>> {
        let mut labels = Vec::new();
        let (_, after) = read_labels(text, &mut labels, 0)?;
        assert_eq!(after, " 1", "{text}");
        let owned = |label: Label<'_>| (label.key.to_owned(), label.value.into_owned());
        Some(labels.into_iter().map(owned).collect())
    }

    #[test]
    fn labels_are_read_and_unescaped() {
        let expect = |text: &str, expected: &[(&str, &str)]| {
            let read = labels(text).unwrap_or_else(|| panic!("{text} is valid"));
            let read: Vec<_> = read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(read, expected, "{text}");
        };
        expect(" 1", &[]);
        expect("{} 1", &[]);
        expect(r#"{a="b"} 1"#, &[("a", "b")]);
        expect(r#"{a="",b="x y"} 1"#, &[("a", ""), ("b", "x y")]);
        expect(r#"{a="b}",c="{\"d\":1}"} 1"#, &[("a", "b}"), ("c", "{\"d\":1}")]);
        expect(r#"{a="\\n\n\\",b="\d\é"} 1"#, &[("a", "\\n\n\\"), ("b", "\\d\\é")]);
        expect(r#"{http.route="/é",1st=","} 1"#, &[("http.route", "/é"), ("1st", ",")]);
    }

    // The cases of `openmetricsparse_test.go` of Prometheus 3.5 (`TestOpenMetricsParseErrors`) that concern labels.
    #[test]
    fn invalid_labels_are_refused() {
        for text in [
            "{",
            "{ 1",
            "{b} 1",
            "{b=c} 1",
            "{b=\"c} 1",
            "{b=\"c\" 1",
            "{b=\"c\",} 1",
            "{,b=\"c\"} 1",
            "{b=\"c\"d=\"e\"} 1",
            "{b=\"c\",,d=\"e\"} 1",
            "{b=\"c\", d=\"e\"} 1",
            "{=\"c\"} 1",
            "{b=\"\\",
            "{b=\"\\\"} 1",
            "{b =\"c\"} 1",
        ] {
            assert_eq!(labels(text), None, "{text}");
        }
    }

    #[test]
    fn keys_are_those_of_the_previous_sample() {
        let mut labels = Vec::new();
        let line = r#"{a="1",b="2"}{a="3",c="4"}{a="5"}"#;
        let mut rest = line;
        for previous in [0, 0, 2] {
            rest = read_labels(rest, &mut labels, previous).expect("labels").1;
        }
        let keys: Vec<_> = labels.iter().map(|label| label.key).collect();
        assert_eq!(keys, ["a", "b", "a", "c", "a"]);
        assert!(std::ptr::eq(keys[0], keys[2]) && std::ptr::eq(keys[0], keys[4]));
    }

    // X-08
    #[test]
    fn numbers_are_exact() {
        for (text, expected) in [
            ("0", Number::U64(0)),
            ("18446744073709551615", Number::U64(u64::MAX)),
            ("-9223372036854775808", Number::I64(i64::MIN)),
            ("18446744073709551616", Number::F64(18_446_744_073_709_551_616.0)),
            ("1.0", Number::F64(1.0)),
            ("-0.0", Number::F64(-0.0)),
            ("0.1", Number::F64(0.1)),
            ("1e-7", Number::F64(1e-7)),
            ("5e-324", Number::F64(5e-324)),
            ("1.7976931348623157e308", Number::F64(f64::MAX)),
            ("inf", Number::F64(f64::INFINITY)),
            ("+Inf", Number::F64(f64::INFINITY)),
            ("-Inf", Number::F64(f64::NEG_INFINITY)),
            ("9007199254740993", Number::U64(9_007_199_254_740_993)),
        ] {
            assert_eq!(read_number(text), Some(expected), "{text}");
        }
        assert!(read_number("NaN").is_some_and(|nan| nan.float().is_nan()));
        for text in ["", " ", "0x1", "0x1p-3", "1_000", "1,0", "1 ", "--1", "one", ".", "e5"] {
            assert_eq!(read_number(text), None, "{text}");
        }
    }

    #[test]
    fn what_follows_a_value_is_a_timestamp_or_an_exemplar() {
        for text in [
            " 1",
            " 1 1520879607.789",
            " 1 -1520879607",
            " 1 # {} 0.5",
            " 1 # {a=\"b # {\"} 0.5 1520879607.789",
            " 1 1520879607.789 # {a=\"b\"} 0.5",
        ] {
            assert_eq!(read_number_after_space(text), Some(Number::U64(1)), "{text}");
        }
        for text in [
            "", "1", " ", " 1 ", "  1", " 1  2", " 1 NaN", " 1 Inf", " 1 a", " 1 2 3", " 1 #",
            " 1 # x",
        ] {
            assert_eq!(read_number_after_space(text), None, "{text}");
        }
    }

    #[test]
    fn a_bound_is_found_among_the_labels() {
        for (text, labels, at, bound) in [
            (r#"{le="1.0"} 2"#, "", 0, Some("1.0")),
            (r#"{le="1.0",a="b"} 2"#, r#"a="b""#, 0, Some("1.0")),
            (r#"{a="b",le="1.0"} 2"#, r#"a="b""#, 5, Some("1.0")),
            (r#"{a="b",le="1.0",c="d"} 2"#, r#"a="b",c="d""#, 6, Some("1.0")),
            (r#"{a="b",le="1.0",le="d"} 2"#, r#"a="b",le="d""#, 6, Some("1.0")),
            (r#"{a="b",le="1.0",c="d"} 2"#, r#"a="b",c="d""#, 0, None),
            (r#"{a="b",le="1.0",c="d"} 2"#, r#"a="b",c="e""#, 6, None),
            (r#"{a="é",le="1.0"} 2"#, r#"a="é""#, 4, None),
            (r#"{a="b"} 2"#, r#"a="b""#, 5, None),
            (r#"{le="1.0"} 2"#, "", 7, None),
        ] {
            let read = read_bound(text, labels, at);
            assert_eq!(read.map(|(bound, _)| bound), bound, "{text}");
            assert!(read.is_none_or(|(_, after)| after == " 2"), "{text}");
        }
    }
}
