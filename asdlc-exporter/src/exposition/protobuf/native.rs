//! Native histograms as protobuf fields.

use crate::{
    exposition::protobuf::wire::{
        double_tag, length_tag, push_double, push_varint, put_varint, varint_tag, zigzag,
    },
    families::model::{NativeBuckets, NativeHistogram},
};

/// Appends the fields that only a native histogram has: all but count, sum and classic buckets. The memory
/// of `deltas` is reused.
pub(super) fn push_native(out: &mut Vec<u8>, deltas: &mut Vec<u8>, native: &NativeHistogram) {
    let NativeHistogram { schema, zero_count, positive, negative } = native;
    out.push(SCHEMA);
    push_varint(out, zigzag((*schema).into()));
    push_double(out, ZERO_THRESHOLD, 0.0);
    let threshold_end = out.len();
    out.push(ZERO_COUNT);
    push_varint(out, *zero_count);
    let buckets_start = out.len();
    push_buckets(out, deltas, negative, NEGATIVE_SPAN, NEGATIVE_DELTA);
    push_buckets(out, deltas, positive, POSITIVE_SPAN, POSITIVE_DELTA);
    if *zero_count == 0 && out.len() == buckets_start {
        out[threshold_end - 8..threshold_end].copy_from_slice(&THRESHOLD_OF_EMPTY.to_le_bytes());
        push_span(out, POSITIVE_SPAN, 0, 0);
    }
}

/// Appends spans of consecutive buckets, and then the difference of each bucket from the one before.
///
/// One or two buckets of 0 do not end a span: they need less bytes than another span.
fn push_buckets(
    out: &mut Vec<u8>,
    deltas: &mut Vec<u8>,
    buckets: &NativeBuckets,
    span_tag: u8,
    delta_tag: u8,
) {
    let NativeBuckets { first, counts } = buckets;
    // The first offset is from the bucket 0.
    let (mut offset, mut last, mut rest) = (i64::from(*first), 0, counts.as_slice());
    deltas.clear();
    loop {
        let gap = leading_zeros(rest);
        rest = &rest[gap..];
        if rest.is_empty() {
            break;
        }
        let (mut len, mut zeros) = (0, 0);
        for count in rest {
            if *count == 0 {
                zeros += 1;
                if zeros > MAX_ZEROS {
                    break;
                }
                continue;
            }
            len += zeros + 1;
            for count in [0; MAX_ZEROS].into_iter().take(zeros).chain([*count]) {
                push_delta(deltas, delta_tag, count.wrapping_sub(last) as i64);
                last = count;
            }
            zeros = 0;
        }
        push_span(out, span_tag, offset + gap as i64, len);
        rest = &rest[len..];
        offset = 0;
    }
    out.extend_from_slice(deltas);
}

#[inline]
fn push_delta(out: &mut Vec<u8>, tag: u8, delta: i64) {
    let delta = zigzag(delta);
    if delta < 0x80 {
        out.extend_from_slice(&[tag, delta as u8]);
    } else {
        out.push(tag);
        push_varint(out, delta);
    }
}

/// How many buckets of 0 there are before the first other one. Checks eight at a time: there may be many.
fn leading_zeros(counts: &[u64]) -> usize {
    let is_empty = |counts: &&[u64]| counts.iter().fold(0, |all, count| all | count) == 0;
    let start = 8 * counts.chunks_exact(8).take_while(is_empty).count();
    let rest = &counts[start..];
    start + rest.iter().take_while(|count| **count == 0).count()
}

/// Appends a span of consecutive buckets.
fn push_span(out: &mut Vec<u8>, tag: u8, offset: i64, len: usize) {
    let mut span = [0; 2 + 2 * (1 + 10)];
    span[2] = OFFSET;
    let mut end = 3;
    end += put_varint(&mut span[end..], zigzag(offset));
    span[end] = LENGTH;
    end += 1;
    end += put_varint(&mut span[end..], len as u64);
    (span[0], span[1]) = (tag, (end - 2) as u8);
    out.extend_from_slice(&span[..end]);
}

const SCHEMA: u8 = varint_tag(5);
const ZERO_THRESHOLD: u8 = double_tag(6);
const ZERO_COUNT: u8 = varint_tag(7);
const NEGATIVE_SPAN: u8 = length_tag(9);
const NEGATIVE_DELTA: u8 = varint_tag(10);
const POSITIVE_SPAN: u8 = length_tag(12);
const POSITIVE_DELTA: u8 = varint_tag(13);
/// `BucketSpan.offset`.
const OFFSET: u8 = varint_tag(1);
/// `BucketSpan.length`.
const LENGTH: u8 = varint_tag(2);

/// The maximum number of consecutive empty buckets in a span. Prometheus' client library for Go has the same.
const MAX_ZEROS: usize = 2;

/// The zero threshold of a histogram without values: the least number above 0.
///
/// Prometheus 2.47 and later recognise a native histogram without values by a span without buckets. An older
/// one does not: if the first series of a family is empty, it reads all series of the family as classic
/// histograms. Every version recognises a zero threshold. It changes nothing, because there are no values.
const THRESHOLD_OF_EMPTY: f64 = f64::from_bits(1);
