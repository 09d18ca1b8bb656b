//! The buckets of histograms as protobuf fields.

use crate::{
    exposition::protobuf::{
        REPEATED, push_prefix,
        wire::{double_tag, put_varint, varint_len, varint_tag},
    },
    families::model::Bucket,
};

/// Writes the buckets of histograms. All series of a metric have the same boundaries, so buckets are encoded once, and then
/// only get other counts.
#[derive(Default)]
pub(super) struct BucketFields {
    /// The buckets of the last series. Those with a large count have the count 0 here.
    fields: Vec<SmallBucket>,
}

/// A bucket whose count has one byte.
type SmallBucket = [u8; 2 + 2 + 9];

impl BucketFields {
    #[inline]
    pub(super) fn push(&mut self, out: &mut Vec<u8>, buckets: &[Bucket]) {
        let mut small = self.set(buckets);
        if small.is_none() {
            self.fields.clear();
            self.fields.extend(buckets.iter().map(|bucket| small_bucket(bucket.bound)));
            small = self.set(buckets);
        }
        let small = small.unwrap_or(0);
        out.extend_from_slice(self.fields[..small].as_flattened());
        buckets[small..].iter().for_each(|bucket| push_bucket(out, *bucket));
    }

    /// Sets the counts of the first buckets, until one is large. Returns how many these are. `None` if a boundary is
    /// another one.
    #[inline]
    fn set(&mut self, buckets: &[Bucket]) -> Option<usize> {
        if self.fields.len() != buckets.len() {
            return None;
        }
        let mut small = 0;
        for (field, Bucket { bound, cumulative }) in self.fields.iter_mut().zip(buckets) {
            if *cumulative > MAX_SMALL {
                break;
            }
            if field[BOUND_AT..] != bound.to_le_bytes() {
                return None;
            }
            field[COUNT_AT] = *cumulative as u8;
            small += 1;
        }
        Some(small)
    }
}

fn small_bucket(bound: f64) -> SmallBucket {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = bound.to_le_bytes();
    [REPEATED, 2 + 9, CUMULATIVE_COUNT, 0, UPPER_BOUND, b0, b1, b2, b3, b4, b5, b6, b7]
}

/// Appends a bucket with a count of any size.
fn push_bucket(out: &mut Vec<u8>, Bucket { bound, cumulative }: Bucket) {
    let len = 1 + varint_len(cumulative) + 9;
    let mut field = [0; 2 + 1 + 10 + 9];
    field[..3].copy_from_slice(&[REPEATED, len as u8, CUMULATIVE_COUNT]);
    let end = 3 + put_varint(&mut field[3..13], cumulative);
    field[end] = UPPER_BOUND;
    field[end + 1..][..8].copy_from_slice(&bound.to_le_bytes());
    push_prefix(out, &field, 2 + len);
}

/// Where the count of a small bucket is.
const COUNT_AT: usize = 3;
/// Where the boundary of a small bucket is.
const BOUND_AT: usize = 5;
/// The greatest count that has one byte.
const MAX_SMALL: u64 = 0x7f;

/// `Bucket.cumulative_count`.
pub(super) const CUMULATIVE_COUNT: u8 = varint_tag(1);
/// `Bucket.upper_bound`.
pub(super) const UPPER_BOUND: u8 = double_tag(2);
