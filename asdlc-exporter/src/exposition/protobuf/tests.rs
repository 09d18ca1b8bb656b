//! What is written is, byte for byte, what `prost` writes of the same messages.

use super::ProtobufWriter;
use crate::{
    exemplars::{Exemplar, SpanIds},
    exposition::{
        chunks::{ChunkBuffer, Sink},
        family_writer::{FamilyHead, FamilyWriter},
    },
    families::{
        labels::{
            attributes::{Attribute, AttributeValue},
            cache::LabelCache,
            constant::ConstantLabels,
            key::{KeyRules, KeyStyle},
            layouts::LayoutId,
            packed_lengths,
            scope_labels::ScopeLabels,
            text::SharedLabels,
        },
        limits::{MAX_SCOPE_LEN, MAX_VALUE_LEN},
        model::{
            Bucket, FamilyKind, HistogramValue, NativeBuckets, NativeHistogram, Number, Quantile,
        },
    },
    unix_time::UnixTime,
};
use client_model::io::prometheus::client as proto;
use expected::{expected, expected_family, span};
use prost::Message as _;
use std::{collections::BTreeMap, mem};

mod expected;
mod generated;
mod same_in_text;

#[expect(unreachable_pub, clippy::doc_markdown, reason = "generated")]
#[path = "../../../tests/client_model/mod.rs"]
mod client_model;

#[derive(Clone, Debug)]
struct Family {
    name: String,
    help: String,
    unit: &'static str,
    kind: FamilyKind,
    constant: Vec<(String, String)>,
    series: Vec<Series>,
}

type Labels = BTreeMap<String, String>;

#[derive(Clone, Debug, Default)]
struct Series {
    scope: Labels,
    labels: Labels,
    /// Of a counter, gauge, or of unknown type.
    value: Number,
    histogram: HistogramValue,
    quantiles: Vec<Quantile>,
    start: Option<u64>,
    /// Of a counter.
    exemplar: Option<Exemplar>,
}

fn write(families: &[Family], out: &mut ChunkBuffer<'_>) {
    pass(families, &mut ProtobufWriter::new(out));
}

/// Passes the families to a writer as `render` does.
fn pass(families: &[Family], writer: &mut impl FamilyWriter) {
    for Family { name, help, unit, kind, constant, series } in families {
        let constant = ConstantLabels::new(constant.clone());
        let base_name = Some(name.strip_suffix("_total").unwrap_or(name));
        let head = FamilyHead { name, base_name, help, kind: *kind, unit, constant: &constant };
        let mut cache = LabelCache::new(
            ConstantLabels::default(),
            ScopeLabels::ALL,
            KeyStyle::Utf8,
            MAX_VALUE_LEN,
        );
        let made: Vec<_> = series.iter().map(|series| made_labels(&mut cache, series)).collect();
        loop {
            writer.begin(&head);
            for (series, (layout, text, lengths)) in series.iter().zip(&made) {
                let labels = cache.labels(*layout, text, lengths.as_bytes());
                let Series { value, histogram, quantiles, start, exemplar, .. } = series;
                let start = start.map(UnixTime);
                match kind {
                    FamilyKind::Histogram => writer.histogram(labels, histogram, start),
                    FamilyKind::Summary => {
                        let HistogramValue { count, sum, .. } = histogram;
                        writer.summary(labels, quantiles, *count, *sum, start);
                    }
                    FamilyKind::Counter => {
                        writer.sample(labels, *value, start, exemplar.as_ref());
                    }
                    _ => writer.sample(labels, *value, start, None),
                }
            }
            if writer.end() {
                break;
            }
        }
    }
}

/// The layout, the text and the packed lengths of the values, as a table of series has them.
fn made_labels(
    cache: &mut LabelCache,
    Series { scope, labels, .. }: &Series,
) -> (LayoutId, String, String) {
    let mut shared = SharedLabels::default();
    for (key, value) in scope {
        shared.add(key.clone(), key, AttributeValue::Text(value));
    }
    let scope = cache.scopes().store(&shared.write(MAX_VALUE_LEN, MAX_SCOPE_LEN));
    let attributes: Vec<_> = labels
        .iter()
        .map(|(key, value)| Attribute { key, value: AttributeValue::Text(value) })
        .collect();
    let list = cache.find(KeyRules { style: KeyStyle::Utf8, ..KeyRules::default() }, &attributes);
    let keys = cache.in_scope(list, scope);
    let (mut text, mut lengths, mut packed) = (String::new(), Vec::new(), String::new());
    let layout = cache.push_labels(&mut text, &mut lengths, keys, &attributes);
    lengths.into_iter().for_each(|length| packed_lengths::push(&mut packed, length));
    (layout, text, packed)
}

fn in_memory(families: &[Family]) -> Vec<u8> {
    let mut out = ChunkBuffer::new(Vec::new(), None);
    write(families, &mut out);
    out.bytes
}

/// Collects chunks, which have at least `size` bytes each.
struct Chunks {
    size: usize,
    all: Vec<Vec<u8>>,
}

impl Sink for Chunks {
    fn take(&mut self, bytes: &mut Vec<u8>) -> Option<usize> {
        assert!(bytes.len() >= self.size);
        self.all.push(mem::take(bytes));
        Some(self.size)
    }
}

fn in_chunks(families: &[Family], size: usize) -> Vec<Vec<u8>> {
    let mut chunks = Chunks { size, all: Vec::new() };
    let mut out = ChunkBuffer::new(Vec::new(), Some((&mut chunks, size)));
    write(families, &mut out);
    let rest = mem::take(&mut out.bytes);
    chunks.all.push(rest);
    chunks.all
}

fn family(name: &str, kind: FamilyKind, series: Vec<Series>) -> Family {
    let (name, help) = (name.to_owned(), "Help.".to_owned());
    Family { name, help, unit: "seconds", kind, constant: Vec::new(), series }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn histogram(buckets: &[(f64, u64)], count: u64) -> HistogramValue {
    let buckets = buckets.iter().map(|&(bound, cumulative)| Bucket { bound, cumulative }).collect();
    HistogramValue { count, sum: Number::F64(-0.5), buckets, ..HistogramValue::default() }
}

/// A family of each kind.
fn each_kind() -> Vec<Family> {
    let start = Some(1_764_400_000_123_456_789);
    let number =
        |value| Series { value, start, exemplar: Some(exemplar(2.0, 9)), ..Series::default() };
    let quantile = |quantile, value| Quantile { quantile, value };
    let native = NativeHistogram {
        schema: -4,
        zero_count: 3,
        positive: NativeBuckets { first: -7, counts: vec![300, 0, 0, 1, 0, 0, 0, 1 << 40] },
        negative: NativeBuckets { first: 1_000, counts: vec![1] },
    };
    let exemplars = vec![exemplar(-2.0, 3), exemplar(0.5, 1), exemplar(7.0, 2)];
    let native =
        HistogramValue { native, is_native: true, exemplars, ..histogram(&[(1.0, 300)], 5_000) };
    let empty = HistogramValue { is_native: true, ..histogram(&[(1.0, 0)], 0) };
    let quantiles = vec![quantile(0.5, -1.0), quantile(1.0, f64::NAN)];
    let summary = Series { quantiles, histogram: histogram(&[], 7), start, ..Series::default() };
    let histograms =
        [histogram(&[], 0), histogram(&[(-1.0, 127), (2.5, 128)], u64::MAX), empty, native];
    let histogram = |histogram| Series { histogram, start, ..Series::default() };
    let mut families = vec![
        family("orders_seconds_total", FamilyKind::Counter, vec![number(Number::U64(u64::MAX))]),
        family("level_seconds", FamilyKind::Gauge, vec![number(Number::I64(-7))]),
        family("target_info", FamilyKind::TargetInfo, vec![number(Number::U64(1))]),
        family("odd", FamilyKind::Unknown, vec![number(Number::F64(f64::NEG_INFINITY))]),
        family("wait_seconds", FamilyKind::Histogram, histograms.map(histogram).into()),
        family("size", FamilyKind::Summary, vec![summary, Series::default()]),
        family("none", FamilyKind::Gauge, Vec::new()),
    ];
    for (at, family) in families.iter_mut().enumerate() {
        family.constant = vec![("service".to_owned(), "a \"b\"\\\n".repeat(at))];
        for (at, series) in family.series.iter_mut().enumerate() {
            series.labels = labels(&[("a", "\\n\n"), ("b", &"é".repeat(at * 60)), ("c", "x")]);
            series.scope = labels(&[("otel_scope_name", "\"\\"), ("otel_scope_version", "=\",")]);
        }
    }
    families
}

//
#[test]
fn each_kind_is_written_as_prost_writes_it() {
    let families = each_kind();
    let bytes = in_memory(&families);
    let mut rest = bytes.as_slice();
    let expected: Vec<_> = families.iter().map(expected_family).collect();
    for family in &expected {
        let decoded = proto::MetricFamily::decode_length_delimited(&mut rest).unwrap();
        // NaN is not equal to itself.
        assert_eq!(format!("{decoded:#?}"), format!("{family:#?}"));
    }
    assert!(rest.is_empty());
    let encoded: Vec<_> =
        expected.iter().flat_map(proto::MetricFamily::encode_length_delimited_to_vec).collect();
    assert!(bytes == encoded, "the same messages, but other bytes");
}

fn exemplar(value: f64, time: u64) -> Exemplar {
    let span = SpanIds::new([0xab; 16], [1; 8]);
    Exemplar { value, time: UnixTime(time), span }
}

//
#[test]
fn exemplars_are_written_as_prost_writes_them() {
    const SECOND: u64 = 1_000_000_000;
    // The longest times, and a time whose message is empty.
    let times = [u64::MAX, 17_179_869_183 * SECOND + 999_999_999, 0, 5 * SECOND];
    let counter = |time| Series {
        value: Number::U64(u64::MAX),
        start: Some(u64::MAX),
        exemplar: Some(exemplar(-1e300, time)),
        ..Series::default()
    };
    let without_trace = Exemplar { span: SpanIds::default(), ..exemplar(3.0, 1) };
    let exemplars = vec![exemplar(0.5, 4), exemplar(0.75, 2), exemplar(1.5, 1), without_trace];
    let classic = HistogramValue {
        exemplars,
        ..histogram(&[(1.0, 1), (2.0, 1), (2.5, u64::MAX - 1)], u64::MAX)
    };
    let positive = NativeBuckets { first: 0, counts: vec![4] };
    let native = NativeHistogram { positive, ..NativeHistogram::default() };
    let native = HistogramValue { native, is_native: true, ..classic.clone() };
    let histograms = [classic, native].map(|histogram| Series { histogram, ..Series::default() });
    let families = [
        family("orders_total", FamilyKind::Counter, times.map(counter).into()),
        family("wait", FamilyKind::Histogram, histograms.into()),
    ];
    let bytes = in_memory(&families);
    assert!(bytes == expected(&families));
    let mut rest = bytes.as_slice();
    proto::MetricFamily::decode_length_delimited(&mut rest).unwrap();
    let decoded = proto::MetricFamily::decode_length_delimited(rest).unwrap();
    let values = |exemplars: Vec<&proto::Exemplar>| -> Vec<_> {
        exemplars.into_iter().map(|exemplar| exemplar.value.unwrap()).collect()
    };
    for (metric, of_native) in decoded.metric.iter().zip([&[][..], &[3.0, 0.75, 0.5]]) {
        let histogram = metric.histogram.as_ref().unwrap();
        let of_buckets = histogram.bucket.iter().filter_map(|bucket| bucket.exemplar.as_ref());
        assert_eq!(values(of_buckets.collect()), [0.5, 3.0], "the newest of buckets with a count");
        assert_eq!(histogram.bucket.last().unwrap().upper_bound, Some(f64::INFINITY));
        assert_eq!(values(histogram.exemplars.iter().collect()), of_native, "the oldest first");
    }
}

//
#[test]
fn buckets_of_a_native_histogram_are_spans_and_deltas() {
    type Row = (&'static [u64], &'static [(i32, u32)], &'static [i64]);
    let table: [Row; 6] = [
        (&[], &[], &[]),
        (&[5], &[(-3, 1)], &[5]),
        (&[5, 3, 4], &[(-3, 3)], &[5, -2, 1]),
        (&[5, 0, 0, 4], &[(-3, 4)], &[5, -5, 0, 4]),
        (&[5, 0, 0, 0, 4], &[(-3, 1), (3, 1)], &[5, -1]),
        (&[0, 2, 0, 0, 0, 0, 1, 0], &[(-2, 1), (4, 1)], &[2, -1]),
    ];
    for (counts, spans, deltas) in table {
        let native = NativeHistogram {
            schema: 8,
            zero_count: 1,
            positive: NativeBuckets { first: -3, counts: counts.to_vec() },
            negative: NativeBuckets::default(),
        };
        let histogram = HistogramValue { native, is_native: true, ..HistogramValue::default() };
        let series = vec![Series { histogram, ..Series::default() }];
        let bytes = in_memory(&[family("wait", FamilyKind::Histogram, series)]);
        let decoded = proto::MetricFamily::decode_length_delimited(bytes.as_slice()).unwrap();
        let histogram = decoded.metric[0].histogram.clone().unwrap();
        let expected: Vec<_> =
            spans.iter().map(|(offset, length)| span(*offset, *length)).collect();
        assert_eq!(histogram.positive_span, expected, "{counts:?}");
        assert_eq!(histogram.positive_delta, deltas, "{counts:?}");
        assert_eq!((histogram.schema, histogram.zero_threshold), (Some(8), Some(0.0)));
    }
}

//
#[test]
fn a_unit_is_written_only_where_prometheus_accepts_it() {
    for (name, kind, unit, expected) in [
        ("wait_seconds", FamilyKind::Gauge, "seconds", true),
        ("wait_seconds_total", FamilyKind::Counter, "seconds", true),
        ("wait_seconds", FamilyKind::Counter, "seconds", true),
        ("wait_seconds_total", FamilyKind::Gauge, "seconds", false),
        ("wait_total", FamilyKind::Counter, "seconds", false),
        ("waitseconds", FamilyKind::Gauge, "seconds", false),
        ("seconds", FamilyKind::Gauge, "seconds", false),
        ("wait", FamilyKind::Gauge, "", false),
        ("wait_", FamilyKind::Gauge, "", false),
    ] {
        let bytes = in_memory(&[Family { unit, ..family(name, kind, Vec::new()) }]);
        let decoded = proto::MetricFamily::decode_length_delimited(bytes.as_slice()).unwrap();
        assert_eq!(decoded.unit.is_some(), expected, "{name}");
    }
}

//
#[test]
fn chunks_of_any_size_make_the_same_exposition() {
    let families = each_kind();
    let whole = in_memory(&families);
    // Among them are those that a family, or some of them, just fits into.
    for size in 1..whole.len() + 20 {
        let chunks = in_chunks(&families, size);
        assert!(chunks.concat() == whole, "chunks of {size} bytes");
        let longest = chunks.iter().map(Vec::len).max().unwrap_or_default();
        assert!(longest < size + MAX_SERIES_LEN, "{longest} bytes in chunks of {size} bytes");
    }
}

//
#[test]
fn the_length_of_a_family_has_one_to_four_bytes() {
    for (count, width, expected_len) in
        [(1, 1, 1), (6, 1, 2), (46, 330, 2), (47, 330, 3), (6_500, 330, 4)]
    {
        let series = |at: usize| Series {
            value: Number::U64(at as u64),
            labels: labels(&[("at", &format!("{at:0width$}"))]),
            ..Series::default()
        };
        let families = [family("many", FamilyKind::Gauge, (0..count).map(series).collect())];
        let whole = expected(&families);
        let len = expected_family(&families[0]).encoded_len();
        assert_eq!(prost::length_delimiter_len(len), expected_len, "{count} series");
        assert!(in_memory(&families) == whole, "{count} series");
        for size in [whole.len() - 1, whole.len(), 1 << 14] {
            assert!(in_chunks(&families, size).concat() == whole, "{count} series, {size} bytes");
        }
    }
}

/// More bytes than a series has in the tests with chunks.
const MAX_SERIES_LEN: usize = 1_500;
