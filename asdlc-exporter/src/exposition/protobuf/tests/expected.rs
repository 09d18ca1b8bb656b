//! What `prost` writes of the families of the tests.

use super::{
    Family, Series,
    client_model::{google::protobuf::Timestamp, io::prometheus::client as proto},
};
use crate::{
    exemplars::Exemplar,
    families::model::{
        Bucket, FamilyKind, HistogramValue, NativeBuckets, NativeHistogram, Quantile,
    },
};
use prost::Message as _;

/// What `prost` writes.
pub(super) fn expected(families: &[Family]) -> Vec<u8> {
    families
        .iter()
        .flat_map(|family| expected_family(family).encode_length_delimited_to_vec())
        .collect()
}

pub(super) fn expected_family(family: &Family) -> proto::MetricFamily {
    let Family { name, help, unit, kind, constant, series } = family;
    let metric = |series: &Series| {
        let Series { scope, labels, value, histogram, quantiles, start, exemplar } = series;
        let all = constant.iter().map(|(key, value)| (key, value)).chain(scope).chain(labels);
        let pair = |(key, value): (&String, &String)| proto::LabelPair {
            name: Some(key.clone()),
            value: Some(value.clone()),
        };
        let mut metric = proto::Metric {
            label: all.filter(|(_, value)| !value.is_empty()).map(pair).collect(),
            ..proto::Metric::default()
        };
        let created_timestamp = start.map(timestamp);
        let value = double(value.float());
        match kind {
            FamilyKind::Counter => {
                let exemplar = exemplar.as_ref().map(expected_exemplar);
                metric.counter = Some(proto::Counter { value, exemplar, created_timestamp });
            }
            FamilyKind::Gauge | FamilyKind::TargetInfo => {
                metric.gauge = Some(proto::Gauge { value });
            }
            FamilyKind::Unknown => metric.untyped = Some(proto::Untyped { value }),
            FamilyKind::Histogram => {
                metric.histogram = Some(expected_histogram(histogram, created_timestamp));
            }
            FamilyKind::Summary => {
                let quantile = |Quantile { quantile, value }: &Quantile| proto::Quantile {
                    quantile: double(*quantile),
                    value: double(*value),
                };
                metric.summary = Some(proto::Summary {
                    sample_count: Some(histogram.count),
                    sample_sum: double(histogram.sum.float()),
                    quantile: quantiles.iter().map(quantile).collect(),
                    created_timestamp,
                });
            }
        }
        metric
    };
    let kind_and_ends = match kind {
        FamilyKind::Counter => (proto::MetricType::Counter, ["_seconds_total", "_seconds"]),
        FamilyKind::Gauge | FamilyKind::TargetInfo => (proto::MetricType::Gauge, ["_seconds"; 2]),
        FamilyKind::Unknown => (proto::MetricType::Untyped, ["_seconds"; 2]),
        FamilyKind::Summary => (proto::MetricType::Summary, ["_seconds"; 2]),
        FamilyKind::Histogram => (proto::MetricType::Histogram, ["_seconds"; 2]),
    };
    let (metric_type, ends) = kind_and_ends;
    let has_unit = *unit == "seconds" && ends.iter().any(|end| name.ends_with(end));
    proto::MetricFamily {
        name: Some(name.clone()),
        help: Some(help.clone()),
        r#type: Some(metric_type.into()),
        metric: series.iter().map(metric).collect(),
        unit: has_unit.then(|| "seconds".to_owned()),
    }
}

fn expected_histogram(
    HistogramValue { count, sum, buckets, native, is_native, exemplars, .. }: &HistogramValue,
    created_timestamp: Option<Timestamp>,
) -> proto::Histogram {
    let mut below = (None, 0);
    let mut in_buckets = Vec::new();
    let mut bucket = |Bucket { bound, cumulative }: &Bucket| {
        let (above, count) = below;
        below = (Some(*bound), *cumulative);
        let is_above = |it: &Exemplar| above.is_none_or(|above| it.value > above);
        let is_inside = |it: &&Exemplar| is_above(it) && it.value <= *bound;
        let has_count = *cumulative > count;
        let mut inside: Vec<_> = exemplars.iter().filter(is_inside).filter(|_| has_count).collect();
        in_buckets.extend_from_slice(&inside);
        inside.sort_by_key(|it| it.time);
        proto::Bucket {
            cumulative_count: Some(*cumulative),
            upper_bound: Some(*bound),
            exemplar: inside.last().map(|exemplar| expected_exemplar(exemplar)),
            ..proto::Bucket::default()
        }
    };
    let mut classic: Vec<_> = buckets.iter().map(&mut bucket).collect();
    let infinite = bucket(&Bucket { bound: f64::INFINITY, cumulative: *count });
    classic.extend(infinite.exemplar.is_some().then_some(infinite));
    let mut histogram = proto::Histogram {
        sample_count: Some(*count),
        sample_sum: double(sum.float()),
        bucket: classic,
        created_timestamp,
        ..proto::Histogram::default()
    };
    if *is_native {
        let NativeHistogram { schema, zero_count, positive, negative } = native;
        let has = |buckets: &NativeBuckets| buckets.counts.iter().any(|count| *count > 0);
        let is_empty = *zero_count == 0 && !has(positive) && !has(negative);
        histogram.schema = Some((*schema).into());
        histogram.zero_threshold = Some(if is_empty { 5e-324 } else { 0.0 });
        histogram.zero_count = Some(*zero_count);
        (histogram.positive_span, histogram.positive_delta) = expected_spans(positive);
        (histogram.negative_span, histogram.negative_delta) = expected_spans(negative);
        if is_empty {
            histogram.positive_span = vec![span(0, 0)];
        }
        in_buckets.sort_by_key(|exemplar| exemplar.time);
        histogram.exemplars = in_buckets.into_iter().map(expected_exemplar).collect();
    }
    histogram
}

fn timestamp(nanoseconds: u64) -> Timestamp {
    Timestamp {
        seconds: (nanoseconds / 1_000_000_000) as i64,
        nanos: (nanoseconds % 1_000_000_000) as i32,
    }
}

fn expected_exemplar(Exemplar { value, time, span }: &Exemplar) -> proto::Exemplar {
    let pair =
        |name: &str, id: String| proto::LabelPair { name: Some(name.to_owned()), value: Some(id) };
    let (trace, span) = (u128::from_be_bytes(span.trace()), u64::from_be_bytes(span.span()));
    let labels =
        [pair("trace_id", format!("{trace:032x}")), pair("span_id", format!("{span:016x}"))];
    proto::Exemplar {
        label: labels.into_iter().filter(|_| trace != 0 && span != 0).collect(),
        value: double(*value),
        timestamp: Some(timestamp(time.0)),
    }
}

pub(super) fn span(offset: i32, length: u32) -> proto::BucketSpan {
    proto::BucketSpan { offset: Some(offset), length: Some(length) }
}

/// By index, as Prometheus' library for Go does it.
fn expected_spans(
    NativeBuckets { first, counts }: &NativeBuckets,
) -> (Vec<proto::BucketSpan>, Vec<i64>) {
    let (mut spans, mut deltas) = (Vec::<proto::BucketSpan>::new(), Vec::new());
    let (mut next, mut last) = (0, 0);
    let indexed = (*first..).zip(counts).filter(|(_, count)| **count > 0);
    for (index, count) in indexed {
        let gap = index - next;
        match spans.last_mut() {
            Some(span) if gap <= 2 => {
                for _ in 0..gap {
                    deltas.push(-last);
                    last = 0;
                }
                span.length = span.length.map(|length| length + gap as u32 + 1);
            }
            _ => spans.push(span(gap, 1)),
        }
        deltas.push(*count as i64 - last);
        last = *count as i64;
        next = index + 1;
    }
    (spans, deltas)
}

/// All NaN are one.
fn double(value: f64) -> Option<f64> {
    Some(if value.is_nan() { f64::NAN } else { value })
}
