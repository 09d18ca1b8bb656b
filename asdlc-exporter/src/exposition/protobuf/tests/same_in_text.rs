//! `OpenMetrics` has the same exemplars as protobuf.

use super::{
    Series,
    client_model::io::prometheus::client as proto,
    expected::expected_family,
    family,
    generated::{exemplar, histogram_value},
    pass,
};
use crate::{
    exposition::{chunks::ChunkBuffer, text::TextWriter},
    families::model::{FamilyKind, Number},
};
use proptest::{option, prelude::*};

/// The sample of an exemplar without its value, and the exemplar.
type Found = Vec<(String, proto::Exemplar)>;

/// The exemplars of the lines, in their order.
fn in_text(text: &str) -> Found {
    let read = |line: &str| {
        let (sample, exemplar) = line.split_once(" # {").filter(|_| !line.starts_with('#'))?;
        let (labels, numbers) = exemplar.split_once("} ").expect("labels");
        let label = |label: &str| {
            let (name, value) = label.split_once("=\"").expect("a label");
            let value = value.strip_suffix('"').expect("a quoted value");
            proto::LabelPair { name: Some(name.to_owned()), value: Some(value.to_owned()) }
        };
        let (value, time) = numbers.split_once(' ').expect("value and time");
        let (seconds, digits) = time.split_once('.').expect("a fraction");
        let timestamp = super::client_model::google::protobuf::Timestamp {
            seconds: seconds.parse().expect("seconds"),
            nanos: format!("{digits:0<9}").parse().expect("nanoseconds"),
        };
        let exemplar = proto::Exemplar {
            label: labels.split(',').filter(|label| !label.is_empty()).map(label).collect(),
            value: Some(value.parse().expect("a value")),
            timestamp: Some(timestamp),
        };
        let (series, _) = sample.rsplit_once(' ').expect("a value");
        Some((series.to_owned(), exemplar))
    };
    text.lines().filter_map(read).collect()
}

fn text(kind: FamilyKind, series: &Series, is_open_metrics: bool) -> String {
    let mut out = ChunkBuffer::new(Vec::new(), None);
    let mut writer = TextWriter::new(&mut out, is_open_metrics, true);
    pass(&[family("wait_total", kind, vec![series.clone()])], &mut writer);
    String::from_utf8(out.bytes).expect("text")
}

/// The text without exemplars.
fn stripped(text: &str) -> String {
    let sample = |line: &str| match line.split_once(" # {") {
        Some((sample, _)) => sample.to_owned(),
        None => line.to_owned(),
    };
    text.lines().map(|line| sample(line) + "\n").collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    //
    #[test]
    fn text_has_the_exemplars_that_protobuf_has(
        histogram in histogram_value(),
        exemplar in option::of(exemplar()),
        start in option::of(any::<u64>()),
    ) {
        let value = Number::U64(histogram.count);
        let series = Series { histogram, exemplar, start, value, ..Series::default() };
        for kind in [FamilyKind::Histogram, FamilyKind::Counter] {
            let expected = expected_family(&family("wait_total", kind, vec![series.clone()]));
            let metric = &expected.metric[0];
            let buckets = metric.histogram.iter().flat_map(|histogram| &histogram.bucket);
            let of_bucket = |bucket: &proto::Bucket| {
                let mut bound = Vec::new();
                let value = bucket.upper_bound.expect("a boundary");
                crate::exposition::number::push_float(&mut bound, value, true);
                let bound = String::from_utf8(bound).expect("text");
                Some((format!("wait_total_bucket{{le=\"{bound}\"}}"), bucket.exemplar.clone()?))
            };
            let of_counter = metric.counter.iter().filter_map(|it| it.exemplar.clone());
            let expected: Found = buckets
                .filter_map(of_bucket)
                .chain(of_counter.map(|exemplar| ("wait_total".to_owned(), exemplar)))
                .collect();
            let with = text(kind, &series, true);
            prop_assert_eq!(in_text(&with), expected, "{}", with);
            for (_, exemplar) in in_text(&with) {
                let labels = exemplar.label.iter().flat_map(|label| [&label.name, &label.value]);
                let len: usize = labels.flatten().map(|text| text.chars().count()).sum();
                prop_assert!(len <= 128, "{} characters, and OpenMetrics allows 128", len);
            }
            // Nothing else is different.
            let mut bare = series.clone();
            (bare.histogram.exemplars, bare.exemplar) = (Vec::new(), None);
            prop_assert_eq!(stripped(&with), text(kind, &bare, true));
            prop_assert_eq!(text(kind, &series, false), text(kind, &bare, false));
        }
    }
}
