//! A checker of exposition text that knows the rules of the format, not the code under test.

use std::collections::{BTreeMap, HashSet};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
}

impl Sample {
    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// The samples of a valid text.
///
/// # Panics
///
/// When the text is not valid.
pub(crate) fn check(text: &str) -> Vec<Sample> {
    let samples = check_without_suffixes(text);
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    for name in types.filter_map(|line| line.strip_suffix(" counter")) {
        assert!(name.ends_with("_total"), "counter {name}");
    }
    samples
}

/// Like [`check`], but the names of counters need not end in `_total`.
pub(crate) fn check_without_suffixes(text: &str) -> Vec<Sample> {
    let samples = check_utf8(text);
    for (key, _) in samples.iter().flat_map(|sample| &sample.labels) {
        assert!(is_name(key, ""), "bad label {key:?}");
    }
    assert!(samples.iter().all(|sample| is_name(&sample.name, ":")), "{samples:?}");
    samples
}

/// Like [`check_without_suffixes`], but names in UTF-8 are valid too, in quotes as text format 1.0.0 has
/// them.
pub(crate) fn check_utf8(text: &str) -> Vec<Sample> {
    let body = text.strip_suffix('\n').unwrap_or_else(|| panic!("no final line feed: {text:?}"));
    let mut lines = body.split('\n').peekable();
    let mut all = Vec::new();
    let mut families = HashSet::new();
    while let Some(line) = lines.next() {
        let rest = line
            .strip_prefix("# HELP ")
            .unwrap_or_else(|| panic!("no family begins with {line:?}"));
        let (name_text, name) = name(rest, ":");
        let (help, name) = (after_space(rest, name_text), name.as_str());
        assert!(families.insert(name.to_owned()), "{name} is there twice");
        unescape(help, "\\n");
        let line = lines.next().unwrap_or_default();
        let kind = line
            .strip_prefix(&format!("# TYPE {name_text} "))
            .unwrap_or_else(|| panic!("no TYPE of {name} but {line:?}"));
        let mut samples = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            samples.push(sample(line));
        }
        assert!(!samples.is_empty(), "{name} has no samples");
        match kind {
            "counter" | "gauge" | "untyped" => {
                assert!(samples.iter().all(|s| s.name == name), "{name}: {samples:?}");
            }
            "histogram" => histogram(name, &samples),
            _ => panic!("{name} is a {kind:?}"),
        }
        if kind == "counter" {
            assert!(samples.iter().all(|s| s.value >= 0.0), "{name}: {samples:?}");
        }
        all.append(&mut samples);
    }
    let mut series = HashSet::new();
    for Sample { name, labels, .. } in &all {
        let mut labels = labels.clone();
        labels.sort();
        assert!(series.insert((name, labels.clone())), "{name} {labels:?} is there twice");
    }
    all
}

fn histogram(name: &str, samples: &[Sample]) {
    let mut rest = samples;
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|s| s.name != format!("{name}_bucket"))
            .expect("buckets, then sum");
        let (buckets, after) = rest.split_at(end);
        let [sum, count, next @ ..] = after else { panic!("{name}: sum and count after buckets") };
        assert_eq!([&sum.name, &count.name], [&format!("{name}_sum"), &format!("{name}_count")]);
        assert_eq!(sum.labels, count.labels);
        let mut last = (f64::NEG_INFINITY, 0.0);
        for bucket in buckets {
            let (le, labels) = bucket.labels.split_last().expect("le");
            assert_eq!((le.0.as_str(), labels), ("le", sum.labels.as_slice()), "{name}");
            let at = (number(&le.1), bucket.value);
            assert!(at.0 > last.0 && at.1 >= last.1, "{name}: bucket {at:?} after {last:?}");
            last = at;
        }
        assert_eq!(last, (f64::INFINITY, count.value), "{name}");
        rest = next;
    }
}

pub(crate) fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value in {line:?}"));
    let (sample_name, mut rest) = if let Some(inside) = series.strip_prefix('{') {
        let inside = inside.strip_suffix('}').unwrap_or_else(|| panic!("no brace in {line:?}"));
        let (text, name) = name(inside, ":");
        assert!(text.starts_with('"'), "a name inside braces without quotes: {line:?}");
        (name, after_comma(&inside[text.len()..], line))
    } else {
        let (text, name) = name(series, ":");
        assert!(!text.starts_with('"'), "a name with quotes outside braces: {line:?}");
        let rest = &series[text.len()..];
        let labels = match rest.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}').unwrap_or_else(|| panic!("no brace in {line:?}")),
            None => rest,
        };
        (name, labels)
    };
    let mut seen = BTreeMap::new();
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let (text, key) = name(rest, "");
        assert!(!key.starts_with("__"), "bad label in {line:?}");
        let after = rest[text.len()..]
            .strip_prefix("=\"")
            .unwrap_or_else(|| panic!("no label in {rest:?}"));
        let end = quote(after).unwrap_or_else(|| panic!("no closing quote in {line:?}"));
        let value = unescape(&after[..end], "\\n\"");
        assert!(seen.insert(key.clone(), ()).is_none(), "label {key} twice in {line:?}");
        // For Prometheus, a label with an empty value is no label: two series could become one.
        assert!(!value.is_empty(), "label {key} without a value in {line:?}");
        pairs.push((key, value));
        rest = after_comma(&after[end + 1..], line);
    }
    Sample { name: sample_name, labels: pairs, value: number(value) }
}

/// The name at the beginning, as it is written and without quotes. It has quotes if, and only if, it needs
/// them.
pub(crate) fn name<'a>(text: &'a str, extra: &str) -> (&'a str, String) {
    if let Some(quoted) = text.strip_prefix('"') {
        let end = quote(quoted).unwrap_or_else(|| panic!("no closing quote in {text:?}"));
        let name = unescape(&quoted[..end], "\\n\"");
        assert!(!name.is_empty() && !is_name(&name, extra), "needless quotes in {text:?}");
        assert!(!name.contains('\0'), "Prometheus cannot parse {text:?}");
        return (&text[..end + 2], name);
    }
    let ok = |c: char| c.is_ascii_alphanumeric() || c == '_' || extra.contains(c);
    let name = &text[..text.find(|c: char| !ok(c)).unwrap_or(text.len())];
    assert!(is_name(name, extra), "bad name in {text:?}");
    (name, name.to_owned())
}

/// What follows the beginning of the text and a space.
pub(crate) fn after_space<'a>(text: &'a str, begin: &str) -> &'a str {
    text[begin.len()..].strip_prefix(' ').unwrap_or_else(|| panic!("no space in {text:?}"))
}

/// What follows a comma. Empty if nothing follows.
fn after_comma<'a>(text: &'a str, line: &str) -> &'a str {
    let rest = text.strip_prefix(',');
    assert!(text.is_empty() || rest.is_some_and(|rest| !rest.is_empty()), "commas in {line:?}");
    rest.unwrap_or_default()
}

/// The position of the first unescaped quote.
fn quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let found = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        found.then_some(at)
    })
}

pub(crate) fn unescape(text: &str, allowed: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let c = chars.next().unwrap_or_else(|| panic!("open escape in {text:?}"));
        assert!(allowed.contains(c), "unknown escape in {text:?}");
        out.push(if c == 'n' { '\n' } else { c });
    }
    out
}

pub(crate) fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        _ => {
            assert!(
                text.chars().all(|c| c.is_ascii_digit() || "+-.e".contains(c)),
                "number {text:?}"
            );
            text.parse().unwrap_or_else(|_| panic!("number {text:?}"))
        }
    }
}

pub(crate) fn is_name(name: &str, extra: &str) -> bool {
    let ok = |c: char| c.is_ascii_alphanumeric() || c == '_' || extra.contains(c);
    !name.is_empty() && name.chars().all(ok) && !name.starts_with(|c: char| c.is_ascii_digit())
}

#[test]
#[should_panic = "is there twice"]
fn the_checker_finds_a_repeated_series() {
    check("# HELP a \n# TYPE a gauge\na{b=\"1\",c=\"2\"} 1\na{c=\"2\",b=\"1\"} 1\n");
}

#[test]
#[should_panic = "needless quotes"]
fn the_checker_finds_quotes_that_older_scrapers_would_not_read() {
    check_utf8("# HELP \"a\" \n# TYPE \"a\" gauge\n{\"a\"} 1\n");
}

#[test]
#[should_panic = "bad label"]
fn the_checker_finds_a_label_in_utf8() {
    check("# HELP a \n# TYPE a gauge\na{\"b.c\"=\"1\"} 1\n");
}

#[test]
fn the_checker_reads_names_in_utf8() {
    let samples = check_utf8(
        "# HELP \"a.b\" x\n# TYPE \"a.b\" gauge\n{\"a.b\"} 1\n{\"a.b\",c=\"1\",\"d\\\"=\"=\"2\"} 1\n",
    );
    let labels = [("c".to_owned(), "1".to_owned()), ("d\"=".to_owned(), "2".to_owned())];
    assert_eq!(samples[0], Sample { name: "a.b".to_owned(), labels: vec![], value: 1.0 });
    assert_eq!(samples[1].labels, labels);
}

#[test]
#[should_panic = "without a value"]
fn the_checker_finds_an_empty_label() {
    check("# HELP a \n# TYPE a gauge\na{b=\"\"} 1\n");
}

#[test]
#[should_panic = "unknown escape"]
fn the_checker_finds_a_raw_backslash() {
    check("# HELP a \n# TYPE a gauge\na{b=\"\\d\"} 1\n");
}

#[test]
#[should_panic = "assertion `left == right` failed"]
fn the_checker_finds_a_histogram_that_does_not_add_up() {
    check("# HELP a \n# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 2\n");
}
