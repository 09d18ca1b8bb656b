//! Exemplars as protobuf fields.

use crate::{
    exemplars::Exemplar,
    exposition::{
        exemplars::{BucketExemplars, SPAN_ID, TRACE_ID, put_hex},
        protobuf::{
            REPEATED,
            buckets::{CUMULATIVE_COUNT, UPPER_BOUND},
            labels::push_pair,
            push_opening,
            timestamp::{MAX_TIMESTAMP, put_timestamp},
            wire::{close, double_tag, length_tag, push_double, push_varint},
        },
    },
    families::model::{Bucket, HistogramValue},
};

/// Appends the buckets of a histogram with their exemplars. The bucket `+Inf` is there only if it has an exemplar.
#[cold]
#[inline(never)]
pub(super) fn push_buckets(out: &mut Vec<u8>, value: &HistogramValue) {
    let mut exemplars = BucketExemplars::new(value);
    for bucket in &value.buckets {
        push_bucket(out, *bucket, exemplars.newest(*bucket));
    }
    let infinite = value.infinite();
    let exemplar = exemplars.newest(infinite);
    if exemplar.is_some() {
        push_bucket(out, infinite, exemplar);
    }
}

fn push_bucket(
    out: &mut Vec<u8>,
    Bucket { bound, cumulative }: Bucket,
    exemplar: Option<&Exemplar>,
) {
    let start = push_opening(out, REPEATED, 1);
    out.push(CUMULATIVE_COUNT);
    push_varint(out, cumulative);
    push_double(out, UPPER_BOUND, bound);
    if let Some(exemplar) = exemplar {
        push_exemplar(out, &OF_BUCKET, exemplar);
    }
    close(out, start, 1);
}

/// Appends all exemplars of a native histogram, the oldest first. If there are any, Prometheus does not read those of
/// the classic buckets. The memory of `sorted` is reused.
#[cold]
#[inline(never)]
pub(super) fn push_native(out: &mut Vec<u8>, sorted: &mut Vec<Exemplar>, value: &HistogramValue) {
    sorted.clear();
    let mut exemplars = BucketExemplars::new(value);
    for bucket in value.buckets.iter().copied().chain([value.infinite()]) {
        sorted.extend_from_slice(exemplars.all(bucket));
    }
    sorted.sort_unstable_by(|a, b| a.time.cmp(&b.time).then(a.value.total_cmp(&b.value)));
    // By default, memory doubles its capacity, which is too much for a large exposition.
    out.reserve_exact(sorted.len() * MAX_LEN);
    sorted.iter().for_each(|exemplar| push_exemplar(out, &OF_NATIVE, exemplar));
}

/// Appends a field with this tag. It has at most 100 bytes after the tag.
pub(super) fn push_exemplar(out: &mut Vec<u8>, tag: &[u8], exemplar: &Exemplar) {
    let Exemplar { value, time, span } = exemplar;
    out.extend_from_slice(tag);
    let start = out.len() + 1;
    out.push(0);
    if span.are_valid() {
        let mut digits = [0; 32];
        put_hex(&mut digits, &span.trace());
        push_pair(out, TRACE_ID.as_bytes(), &digits);
        put_hex(&mut digits, &span.span());
        push_pair(out, SPAN_ID.as_bytes(), &digits[..16]);
    }
    push_double(out, VALUE, *value);
    let mut timestamp = [TIMESTAMP; 1 + MAX_TIMESTAMP];
    let len = 1 + put_timestamp(&mut timestamp[1..], *time);
    out.extend_from_slice(&timestamp[..len]);
    out[start - 1] = (out.len() - start) as u8;
}

/// `Counter.exemplar`.
pub(super) const OF_COUNTER: [u8; 1] = [length_tag(2)];
/// `Bucket.exemplar`.
const OF_BUCKET: [u8; 1] = [length_tag(3)];
/// `Histogram.exemplars`, which has the number 16.
const OF_NATIVE: [u8; 2] = [length_tag(0) | 0x80, 1];
/// `Exemplar.value`.
const VALUE: u8 = double_tag(2);
/// `Exemplar.timestamp`.
const TIMESTAMP: u8 = length_tag(3);

/// The bytes of a native histogram's exemplar: its tag and length, two labels, value and timestamp.
const MAX_LEN: usize = 3 + 46 + 29 + 9 + 1 + MAX_TIMESTAMP;
