//! Native histograms as protobuf fields.

use crate::{
    exposition::protobuf::wire::{
        double_tag, length_tag, push_double, push_varint, put_varint, varint_tag, zigzag,
    },
    families::model::{NativeBuckets, NativeHistogram},
};

/// Appends the fields that only a native histogram has: all but count, sum and classic buckets.
pub(super) fn push_native(out: &mut Vec<u8>, native: &NativeHistogram) {
    let NativeHistogram { schema, zero_count, positive, negative } = native;
    let [has_positive, has_negative] =
        [positive, negative].map(|buckets| runs(&buckets.counts).next().is_some());
    let is_empty = *zero_count == 0 && !has_positive && !has_negative;
    out.push(SCHEMA);
    push_varint(out, zigzag((*schema).into()));
    push_double(out, ZERO_THRESHOLD, if is_empty { THRESHOLD_OF_EMPTY } else { 0.0 });
    out.push(ZERO_COUNT);
    push_varint(out, *zero_count);
    push_buckets(out, negative, NEGATIVE_SPAN, NEGATIVE_DELTA);
    if is_empty {
        push_span(out, POSITIVE_SPAN, 0, 0);
    } else {
        push_buckets(out, positive, POSITIVE_SPAN, POSITIVE_DELTA);
    }
}

fn push_buckets(out: &mut Vec<u8>, buckets: &NativeBuckets, span_tag: u8, delta_tag: u8) {
    let NativeBuckets { first, counts } = buckets;
    // The first offset is from the bucket 0.
    let mut offset = i64::from(*first);
    for (gap, run) in runs(counts) {
        push_span(out, span_tag, offset + gap as i64, run.len());
        offset = 0;
    }
    let mut last = 0;
    for count in runs(counts).flat_map(|(_, run)| run) {
        out.push(delta_tag);
        push_varint(out, zigzag(count.wrapping_sub(last) as i64));
        last = *count;
    }
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

/// The runs of buckets that become spans, each with the number of empty buckets before it.
///
/// One or two empty buckets are part of a run: they need fewer bytes than another span.
fn runs(counts: &[u64]) -> impl Iterator<Item = (usize, &[u64])> {
    let mut rest = counts;
    std::iter::from_fn(move || {
        let gap = rest.iter().position(|count| *count > 0)?;
        let from_here = &rest[gap..];
        let (mut len, mut zeros) = (0, 0);
        for (at, count) in from_here.iter().enumerate() {
            if *count > 0 {
                (len, zeros) = (at + 1, 0);
            } else {
                zeros += 1;
                if zeros > MAX_ZEROS {
                    break;
                }
            }
        }
        let (run, others) = from_here.split_at(len);
        rest = others;
        Some((gap, run))
    })
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
