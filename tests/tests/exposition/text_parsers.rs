//! Programs that parse one exposition.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use asdlc_exporter::ExemplarFilter;
use asdlc_tests::exposition::{Exposition, Kind};
use asdlc_tests::servers::{Parsed, PythonParsers, promtool_check_metrics};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use super::generated::{COUNTER, GAUGE, Probe, Served, VALUE_LEN, config, recorded, served};
use super::scrapers::exemplar_at_the_end;

//
#[test]
fn whatever_is_recorded_passes_our_checker_and_python_reads_the_same_values() {
    let python = RefCell::new(PythonParsers::start());
    let mut runner = TestRunner::new(config(400));
    let checked = runner.run(&recorded(), |recorded| {
        let served = recorded.serve();
        let read = Read::by_all(&served.text, &served.open_metrics, &mut python.borrow_mut())?;
        same_probes(&served, &read.ours, bits)?;
        same_probes(&served, &read.open, unsigned)?;
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
}

//
#[test]
fn python_reads_one_start_of_each_series_that_counts() {
    let mut python = PythonParsers::start();
    for served in served(100) {
        let text = served.recorded.with_created_lines();
        let read = python.open_metrics(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let types: HashMap<_, _> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .filter(|(_, kind)| ["counter", "histogram", "summary"].contains(kind))
            .collect();
        let base = |name: &str, suffixes: &[&str]| {
            let bases =
                suffixes.iter().filter_map(|suffix| Some((name.strip_suffix(suffix)?, *suffix)));
            // A counter `__total` without its base name is not a sample of a histogram `_`.
            let is_of = |(base, suffix): &(&str, &str)| {
                let kind = types.get(base);
                kind.is_some_and(|kind| {
                    *suffix == "_created" || (*suffix == "_total") == (*kind == "counter")
                })
            };
            bases.into_iter().find(is_of).map(|(base, _)| base.to_owned())
        };
        let (mut series, mut starts) = (BTreeSet::new(), BTreeSet::new());
        for Parsed { name, labels, value, .. } in read {
            if let Some(base) = base(&name, &["_created"]) {
                assert!(value > 1.6e9, "{name} {value}");
                assert!(starts.insert((base, labels)), "{name} twice: {text}");
            } else if let Some(base) = base(&name, &["_total", "_bucket", "_sum", "_count"]) {
                let without_le =
                    |(key, _): &(String, String)| !(key == "le" && name.ends_with("_bucket"));
                series.insert((base, labels.into_iter().filter(without_le).collect()));
            }
        }
        assert!(!series.is_empty());
        assert_eq!(series, starts, "{text}");
    }
}

//
#[test]
fn python_reads_the_exemplars_of_whatever_is_recorded() {
    let mut python = PythonParsers::start();
    let mut with_ids = 0;
    for Served { recorded, text, open_metrics, .. } in served(200) {
        let read = python.open_metrics(&open_metrics);
        let read = read.unwrap_or_else(|error| panic!("{error}\n{open_metrics}"));
        for sample in read {
            let Some(exemplar) = sample.exemplar else { continue };
            // What was measured in the span that the exemplar names, or outside of a sampled one.
            let made = recorded.measurements.iter().enumerate().filter(|(number, _)| {
                let span = recorded.span(*number);
                let ids = [
                    ("trace_id", span.trace_id().to_string()),
                    ("span_id", span.span_id().to_string()),
                ];
                let ids = ids.into_iter().filter(|_| span.is_sampled());
                exemplar.labels == ids.map(|(key, id)| (key.to_owned(), id)).collect()
            });
            let values: Vec<_> = made.filter_map(|(_, it)| it.exemplar()).collect();
            assert!(values.contains(&exemplar.value), "{exemplar:?}: {values:?}: {open_metrics}");
            assert!(exemplar.timestamp > 1.6e9, "{exemplar:?}: {open_metrics}");
            match sample.name.strip_suffix("_bucket") {
                Some(_) => {
                    let bound: f64 = sample.labels["le"].parse().expect("a number");
                    assert!(exemplar.value <= bound, "{exemplar:?}: {open_metrics}");
                }
                None => assert!(sample.name.ends_with("_total"), "{}", sample.name),
            }
            match recorded.filter {
                ExemplarFilter::AlwaysOn => {}
                ExemplarFilter::TraceBased => assert!(!exemplar.labels.is_empty()),
                ExemplarFilter::AlwaysOff => panic!("{exemplar:?}"),
            }
            with_ids += usize::from(!exemplar.labels.is_empty());
        }
        assert!(!text.lines().any(|line| exemplar_at_the_end(line).is_some()), "{text}");
    }
    assert!(with_ids > 100, "{with_ids} exemplars");
}

//
#[test]
fn promtool_can_parse_whatever_is_recorded() {
    for Served { text, .. } in served(64) {
        let checked = promtool_check_metrics(text.as_bytes());
        // 3 is the code for lint, such as an unusual name.
        assert!(matches!(checked.code, Some(0 | 3)), "{checked:?}\n{text}");
    }
}

/// The samples of one exposition, as each reader has read them.
pub(crate) struct Read {
    /// Of the text format, by our checker.
    ours: Samples,
    /// Of `OpenMetrics`, by Python.
    open: Samples,
}

impl Read {
    /// Checks that our checker and both parsers of Python read the same.
    pub(crate) fn by_all(
        text: &str,
        open_metrics: &str,
        python: &mut PythonParsers,
    ) -> Result<Self, TestCaseError> {
        let exposition = Exposition::parse_unconventional(text.as_bytes())
            .map_err(|violations| TestCaseError::fail(format!("{violations:#?}\n{text}")))?;
        let ours = of_checker(&exposition, bits);
        prop_assert_eq!(ours.len(), exposition.all_samples().len());
        // Python reads `-0` as an integer, which loses the sign.
        let expected = of_checker(&exposition, unsigned);
        let read = python.text(text);
        let read = read.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        same(&samples(&read, unsigned), &with_total(expected.clone(), &exposition), text)?;

        let read = python.open_metrics(open_metrics);
        let read = read.map_err(|error| TestCaseError::fail(format!("{error}\n{open_metrics}")))?;
        let open = samples(&read, unsigned);
        // OpenMetrics has the same samples, except the sum and count of histograms where its rules forbid them.
        for (series, value) in &open {
            if series.0.ends_with("uptime_seconds") {
                prop_assert!(expected.contains_key(series));
                continue;
            }
            prop_assert_eq!(expected.get(series), Some(value), "{:?}: {}", series, open_metrics);
        }
        for (name, labels) in expected.keys().filter(|series| !open.contains_key(*series)) {
            let histogram = name.strip_suffix("_sum").or_else(|| name.strip_suffix("_count"));
            let Some(histogram) = histogram else {
                return Err(TestCaseError::fail(format!("{name} is missing: {open_metrics}")));
            };
            let mut bucket = labels.clone();
            bucket.insert("le".to_owned(), "+Inf".to_owned());
            prop_assert!(open.contains_key(&(format!("{histogram}_bucket"), bucket)), "{}", name);
        }
        Ok(Self { ours, open })
    }
}

fn of_checker(exposition: &Exposition, bits: impl Fn(f64) -> u64) -> Samples {
    let all = exposition.all_samples().iter();
    all.map(|sample| {
        let labels = sample.labels.iter().cloned().collect();
        ((sample.name.clone(), labels), bits(sample.value))
    })
    .collect()
}

/// Counters as Python names them, which adds `_total` to each name without it.
fn with_total(samples: Samples, exposition: &Exposition) -> Samples {
    let renamed = |name: String| {
        let family = exposition.family(&name).filter(|_| !name.ends_with("_total"));
        let is_counter = family.is_some_and(|family| family.kind == Some(Kind::Counter));
        if is_counter { name + "_total" } else { name }
    };
    samples.into_iter().map(|((name, labels), bits)| ((renamed(name), labels), bits)).collect()
}

/// Like `prop_assert_eq`, with a message that has only the differences.
fn same(read: &Samples, expected: &Samples, text: &str) -> Result<(), TestCaseError> {
    let missing: Vec<_> =
        expected.iter().filter(|(key, bits)| read.get(key) != Some(bits)).collect();
    let more: Vec<_> = read.keys().filter(|key| !expected.contains_key(*key)).collect();
    prop_assert!(missing.is_empty() && more.is_empty(), "{missing:?}\n{more:?}\n{text}");
    Ok(())
}

/// The bits of each value, by name and labels.
type Samples = HashMap<(String, BTreeMap<String, String>), u64>;

fn samples(parsed: &[Parsed], bits: impl Fn(f64) -> u64) -> Samples {
    let series = parsed.iter().map(|Parsed { name, labels, value, .. }| {
        let mut labels = labels.clone();
        if let Some(le) = labels.get_mut("le")
            && name.ends_with("_bucket")
        {
            // `1.0` in OpenMetrics is `1` in the text format.
            if let Ok(bound) = le.parse::<f64>()
                && bound.is_finite()
            {
                *le = bound.to_string();
            }
        }
        ((name.clone(), labels), bits(*value))
    });
    series.collect()
}

fn same_probes(
    served: &Served,
    samples: &Samples,
    bits: impl Fn(f64) -> u64,
) -> Result<(), TestCaseError> {
    for (at, Probe { value, number, count }) in served.recorded.probes.iter().enumerate() {
        for (name, number) in [(GAUGE, *number), (COUNTER, *count as f64)] {
            let labels = [
                ("service", "under-test"),
                ("zone", served.recorded.constant.as_str()),
                ("at", &at.to_string()),
                ("value", value),
            ];
            // F-13: an empty label is no label.
            let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
            let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
            let mut labels: BTreeMap<_, _> = labels.collect();
            if value.len() > VALUE_LEN {
                // F-16: a truncated value begins like the original.
                let of = |(of, labels): &&(String, BTreeMap<String, String>)| {
                    of == name && labels.get("at") == Some(&at.to_string())
                };
                let truncated = samples.keys().find(of).and_then(|(_, labels)| labels.get("value"));
                let truncated = truncated.cloned().unwrap_or_default();
                prop_assert!(truncated.len() <= VALUE_LEN, "{}", truncated);
                prop_assert!(truncated.starts_with(&value[..VALUE_LEN / 2]), "{}", truncated);
                labels.insert("value".to_owned(), truncated);
            }
            let found = samples.get(&(name.to_owned(), labels));
            prop_assert_eq!(found, Some(&bits(number)), "{} of {:?}", name, value);
        }
    }
    Ok(())
}

/// The same for 0 and -0.
fn unsigned(value: f64) -> u64 {
    bits(value + 0.0)
}

/// Distinguishes 0 from -0, and treats all NaN as equal.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}
