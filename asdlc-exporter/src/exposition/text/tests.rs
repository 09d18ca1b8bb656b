//! Names, buckets and exemplars as text.

use super::*;
use crate::{
    exemplars::SpanIds,
    families::{labels::constant::ConstantLabels, model::FamilyKind},
};

fn head<'a>(
    name: &'a str,
    help: &'a str,
    kind: FamilyKind,
    constant: &'a ConstantLabels,
) -> FamilyHead<'a> {
    FamilyHead { name, base_name: None, help, kind, unit: "", constant }
}

fn value(buckets: Vec<Bucket>, count: u64, sum: f64) -> HistogramValue {
    HistogramValue { buckets, count, sum: Number::F64(sum), ..HistogramValue::default() }
}

#[test]
fn a_series_without_labels_has_no_braces() {
    let mut out = ChunkBuffer::new(Vec::new(), None);
    let mut writer = TextWriter::new(&mut out, false, false);
    let constant = ConstantLabels::default();
    writer.begin(&head("a", "", FamilyKind::Gauge, &constant));
    writer.sample(Labels::NONE, Number::I64(-1), None, None);
    writer.begin(&head("h", "x\\y\nz", FamilyKind::Histogram, &constant));
    let buckets = vec![Bucket { bound: 0.5, cumulative: 1 }];
    writer.histogram(Labels::NONE, &value(buckets, 2, 3.0), None);
    let expected = [
        "# HELP a ",
        "# TYPE a gauge",
        "a -1",
        "# HELP h x\\\\y\\nz",
        "# TYPE h histogram",
        "h_bucket{le=\"0.5\"} 1",
        "h_bucket{le=\"+Inf\"} 2",
        "h_sum 3",
        "h_count 2",
        "",
    ];
    assert_eq!(String::from_utf8(out.bytes).unwrap(), expected.join("\n"));
}

// O-01
#[test]
fn each_bucket_has_its_boundary_and_its_count() {
    for bound in [0.5, 0.012_345_678_9, 1.234_567_890_123_45] {
        for count in [0, 9, 10, 11, 99, 1_000_000] {
            let mut out = ChunkBuffer::new(Vec::new(), None);
            let mut writer = TextWriter::new(&mut out, false, false);
            let constant = ConstantLabels::default();
            writer.begin(&head("h", "", FamilyKind::Histogram, &constant));
            let buckets = [bound, 2.0].map(|bound| Bucket { bound, cumulative: count });
            writer.histogram(Labels::NONE, &value(buckets.into(), count + 1, 3.0), None);
            let text = String::from_utf8(out.bytes).unwrap();
            let expected = [
                format!("h_bucket{{le=\"{bound}\"}} {count}"),
                format!("h_bucket{{le=\"2\"}} {count}"),
                format!("h_bucket{{le=\"+Inf\"}} {}", count + 1),
                "h_sum 3".to_owned(),
                format!("h_count {}", count + 1),
            ];
            assert_eq!(text.lines().skip(2).collect::<Vec<_>>(), expected);
        }
    }
}

// X-14
#[test]
fn a_name_in_utf8_has_quotes_and_is_inside_the_braces() {
    let text = |constant: &[(&str, &str)], is_open_metrics| {
        let mut out = ChunkBuffer::new(Vec::new(), None);
        let mut writer = TextWriter::new(&mut out, is_open_metrics, true);
        let pairs = constant.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let constant = ConstantLabels::new(pairs.collect());
        let mut family = head("a.b\"_total", "", FamilyKind::Counter, &constant);
        family.base_name = Some("a.b\"");
        writer.begin(&family);
        writer.sample(Labels::NONE, Number::U64(1), Some(UnixTime::default()), None);
        writer.begin(&head("h.x", "", FamilyKind::Histogram, &constant));
        let buckets = vec![Bucket { bound: 0.5, cumulative: 1 }];
        writer.histogram(Labels::NONE, &value(buckets, 2, 3.0), None);
        String::from_utf8(out.bytes).unwrap()
    };
    let expected = [
        r#"# HELP "a.b\"_total" "#,
        r#"# TYPE "a.b\"_total" counter"#,
        r#"{"a.b\"_total"} 1"#,
        r#"# HELP "h.x" "#,
        r#"# TYPE "h.x" histogram"#,
        r#"{"h.x_bucket",le="0.5"} 1"#,
        r#"{"h.x_bucket",le="+Inf"} 2"#,
        r#"{"h.x_sum"} 3"#,
        r#"{"h.x_count"} 2"#,
        "",
    ];
    assert_eq!(text(&[], false), expected.join("\n"));
    let expected = [
        r#"# HELP "a.b\"" "#,
        r#"# TYPE "a.b\"" counter"#,
        r#"{"a.b\"_total","x.y"="z"} 1"#,
        r#"{"a.b\"_created","x.y"="z"} 0.0"#,
        r#"# HELP "h.x" "#,
        r#"# TYPE "h.x" histogram"#,
        r#"{"h.x_bucket","x.y"="z",le="0.5"} 1"#,
        r#"{"h.x_bucket","x.y"="z",le="+Inf"} 2"#,
        r#"{"h.x_sum","x.y"="z"} 3.0"#,
        r#"{"h.x_count","x.y"="z"} 2"#,
        "",
    ];
    assert_eq!(text(&[("x.y", "z")], true), expected.join("\n"));
}

#[test]
fn histograms_with_different_boundaries_get_different_texts() {
    let mut out = ChunkBuffer::new(Vec::new(), None);
    let mut writer = TextWriter::new(&mut out, false, false);
    let constant = ConstantLabels::new(vec![("service".to_owned(), "shop".to_owned())]);
    writer.begin(&head("h", "", FamilyKind::Histogram, &constant));
    for bound in [1.0, 2.0] {
        let buckets = vec![Bucket { bound, cumulative: 1 }];
        writer.histogram(Labels::NONE, &value(buckets, 1, 1.0), None);
    }
    let text = String::from_utf8(out.bytes).unwrap();
    assert!(text.contains("h_bucket{service=\"shop\",le=\"1\"} 1\n"), "{text}");
    assert!(text.contains("h_bucket{service=\"shop\",le=\"2\"} 1\n"), "{text}");
}

fn exemplar(value: f64, time: u64) -> Exemplar {
    let span = SpanIds::new([0xab; 16], [1; 8]);
    Exemplar { value, time: UnixTime(time), span }
}

// X-15
#[test]
fn exemplars_follow_the_values_of_counters_and_buckets_in_openmetrics() {
    const IDS: &str = r#"{trace_id="abababababababababababababababab",span_id="0101010101010101"}"#;
    let text = |is_open_metrics, has_base_name: bool| {
        let mut out = ChunkBuffer::new(Vec::new(), None);
        let mut writer = TextWriter::new(&mut out, is_open_metrics, true);
        let constant = ConstantLabels::new(vec![("a".to_owned(), "b".to_owned())]);
        let mut family = head("c_total", "", FamilyKind::Counter, &constant);
        family.base_name = has_base_name.then_some("c");
        let without_trace = Exemplar { span: SpanIds::default(), ..exemplar(2e9, 1) };
        writer.begin(&family);
        for exemplar in [exemplar(5.0, 1_764_400_000_500_000_000), without_trace] {
            let start = Some(UnixTime::default());
            writer.sample(Labels::NONE, Number::U64(7), start, Some(&exemplar));
        }
        writer.begin(&head("h", "", FamilyKind::Histogram, &constant));
        let buckets = [(0.5, 1), (1.0, 1), (2.0, 12)];
        let bucket = |(bound, cumulative)| Bucket { bound, cumulative };
        // The second bucket has no count, and the third one has two exemplars.
        let exemplars = [(0.5, 1), (0.7, 2), (1.5, 4), (1.6, 3), (9.0, 5)];
        let exemplars = exemplars.map(|(value, time)| exemplar(value, time)).into();
        let value = value(buckets.map(bucket).into(), 13, 3.0);
        writer.histogram(Labels::NONE, &HistogramValue { exemplars, ..value }, None);
        let text = String::from_utf8(out.bytes).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    let histogram = [
        format!(r#"h_bucket{{a="b",le="0.5"}} 1 # {IDS} 0.5 0.000000001"#),
        r#"h_bucket{a="b",le="1.0"} 1"#.to_owned(),
        format!(r#"h_bucket{{a="b",le="2.0"}} 12 # {IDS} 1.5 0.000000004"#),
        format!(r#"h_bucket{{a="b",le="+Inf"}} 13 # {IDS} 9.0 0.000000005"#),
        r#"h_sum{a="b"} 3.0"#.to_owned(),
        r#"h_count{a="b"} 13"#.to_owned(),
    ];
    let counter = [
        format!(r#"c_total{{a="b"}} 7 # {IDS} 5.0 1764400000.5"#),
        r#"c_created{a="b"} 0.0"#.to_owned(),
        r#"c_total{a="b"} 7 # {} 2e+09 0.000000001"#.to_owned(),
        r#"c_created{a="b"} 0.0"#.to_owned(),
    ];
    assert_eq!(text(true, true), [&counter[..], &histogram].concat());
    // The type is `unknown`.
    let unknown = [r#"c_total{a="b"} 7"#, r#"c_total{a="b"} 7"#].map(str::to_owned);
    assert_eq!(text(true, false), [&unknown[..], &histogram].concat());
    assert!(text(false, true).iter().all(|line| !line.contains(" # ")));
}
