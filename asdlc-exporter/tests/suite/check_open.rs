//! A checker of `OpenMetrics` 1.0 that knows its rules, not the code under test.

use crate::check::{Sample, after_space, name, number, sample, unescape};
use std::collections::HashSet;

/// The samples of a text that is valid `OpenMetrics`, including reserved names.
///
/// # Panics
///
/// When the text is not valid.
pub(crate) fn check_open(text: &str) -> Vec<Sample> {
    let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end: {text:?}"));
    assert!(body.is_empty() || body.ends_with('\n'), "{text:?}");
    let mut lines = body.split_terminator('\n').peekable();
    let (mut all, mut claimed) = (Vec::new(), HashSet::new());
    while let Some(line) = lines.next() {
        let rest = line.strip_prefix("# HELP ").unwrap_or_else(|| panic!("no family: {line:?}"));
        let (name_text, name) = name(rest, ":");
        let (help, name) = (after_space(rest, name_text), name.as_str());
        unescape(help, "\\n\"");
        assert!(!help.replace("\\\\", "").replace("\\\"", "").contains('"'), "{line:?}");
        let line = lines.next().unwrap_or_default();
        let kind = line
            .strip_prefix(&format!("# TYPE {name_text} "))
            .unwrap_or_else(|| panic!("no TYPE of {name} but {line:?}"));
        let suffixes: &[&str] = match kind {
            "counter" => &["_total", "_created"],
            "gauge" | "unknown" => &[],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_sum", "_count", "_created"],
            "summary" => &["_sum", "_count", "_created"],
            _ => panic!("{name} is a {kind:?}"),
        };
        for suffix in [""].iter().chain(suffixes) {
            assert!(claimed.insert(format!("{name}{suffix}")), "{name}{suffix} is there twice");
        }
        if let Some(line) = lines.next_if(|line| line.starts_with("# UNIT ")) {
            let unit = line.strip_prefix(&format!("# UNIT {name_text} ")).expect("its unit");
            let is_unit = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
            assert!(unit.chars().all(is_unit), "{line:?}");
            assert!(!unit.is_empty() && name.ends_with(&format!("_{unit}")), "{line:?}");
            assert_ne!(kind, "info");
        }
        let mut samples = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            samples.push(sample(line));
        }
        assert!(!samples.is_empty(), "{name} has no samples");
        let mut created = take_created(name, &mut samples);
        assert!(created.is_empty() || suffixes.contains(&"_created"), "{created:?}");
        for sample in &samples {
            let suffix = sample.name.strip_prefix(name).unwrap_or_else(|| panic!("{sample:?}"));
            let is_allowed = match kind {
                "counter" => suffix == "_total" && sample.value >= 0.0,
                "gauge" | "unknown" => suffix.is_empty(),
                "info" => suffix == "_info" && sample.value == 1.0,
                "histogram" => match suffix {
                    "_bucket" => {
                        let le = sample.label("le").expect("le");
                        le == "+Inf" || le.contains(['.', 'e'])
                    }
                    _ => ["_sum", "_count"].contains(&suffix) && sample.value >= 0.0,
                },
                _ => {
                    (suffix.is_empty()
                        && (sample.value.is_nan() || sample.value >= 0.0)
                        && (0.0..=1.0).contains(&number(sample.label("quantile").expect("q"))))
                        || (["_sum", "_count"].contains(&suffix) && sample.value >= 0.0)
                }
            };
            assert!(is_allowed, "{kind}: {sample:?}");
        }
        if kind == "histogram" {
            histogram(name, &samples);
        }
        all.append(&mut samples);
        all.append(&mut created);
    }
    let mut series = HashSet::new();
    for Sample { name, labels, .. } in &all {
        let mut labels = labels.clone();
        labels.sort();
        assert!(series.insert((name, labels.clone())), "{name} {labels:?} is there twice");
    }
    all
}

/// Takes the lines `_created` out: none, or one after each series of the family.
fn take_created(name: &str, samples: &mut Vec<Sample>) -> Vec<Sample> {
    let (bucket, quantile, name) =
        (format!("{name}_bucket"), name.to_owned(), format!("{name}_created"));
    let labels = |sample: &Sample| {
        let mut labels = sample.labels.clone();
        labels.retain(|(key, _)| {
            !(key == "le" && sample.name == bucket || key == "quantile" && sample.name == quantile)
        });
        labels
    };
    let (mut taken, mut series) = (Vec::new(), HashSet::new());
    let mut last = None;
    samples.retain(|sample| {
        if sample.name != name {
            series.insert(labels(sample));
            last = Some(labels(sample));
            return true;
        }
        assert_eq!(last.take().as_ref(), Some(&sample.labels), "{name} after another series");
        assert!(sample.value > 1.6e9, "{sample:?} is no time of today");
        taken.push(sample.clone());
        false
    });
    assert!(taken.is_empty() || taken.len() == series.len(), "{name} is missing");
    taken
}

fn histogram(name: &str, samples: &[Sample]) {
    let bucket = format!("{name}_bucket");
    let mut rest = samples.iter().peekable();
    while let Some(first) = rest.next() {
        assert_eq!(first.name, bucket);
        let le = |sample: &Sample| number(sample.label("le").expect("le"));
        let is_negative = le(first) < 0.0;
        let mut last = first;
        while last.label("le") != Some("+Inf") {
            let next = rest.next_if(|next| next.name == bucket).expect("a bucket at +Inf");
            assert!(le(next) > le(last) && next.value >= last.value, "{next:?} after {last:?}");
            last = next;
        }
        let sum = rest.next_if(|next| next.name == format!("{name}_sum"));
        let count = rest.next_if(|next| next.name == format!("{name}_count"));
        assert_eq!(sum.is_some(), count.is_some(), "{name}: both or none");
        assert!(!is_negative || sum.is_none(), "{name}: a sum that may fall");
        assert!(count.is_none_or(|count| count.value == last.value), "{name}");
    }
}
