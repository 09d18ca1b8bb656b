//! What the writers of `OpenMetrics` and protobuf need of exemplars.

use crate::{
    exemplars::Exemplar,
    families::model::{Bucket, HistogramValue},
};

/// The exemplars of the buckets of a histogram, bucket by bucket.
///
/// A bucket without a count has none: its exemplars were recorded after the counts were read.
pub(crate) struct BucketExemplars<'a> {
    /// Of the buckets that have not been passed yet, in the order of their values.
    rest: &'a [Exemplar],
    /// The cumulative count of the bucket before.
    below: u64,
}

impl<'a> BucketExemplars<'a> {
    pub(crate) fn new(value: &'a HistogramValue) -> Self {
        Self { rest: &value.exemplars, below: 0 }
    }

    /// All exemplars of the next bucket. Pass the finite buckets of the histogram, and then
    /// [`infinite`](HistogramValue::infinite).
    pub(crate) fn all(&mut self, Bucket { bound, cumulative }: Bucket) -> &'a [Exemplar] {
        let is_above = |exemplar: &Exemplar| exemplar.value > bound;
        let end = self.rest.iter().position(is_above).unwrap_or(self.rest.len());
        let (exemplars, rest) = self.rest.split_at(end);
        let is_empty = cumulative <= self.below;
        (self.rest, self.below) = (rest, cumulative);
        if is_empty { &[] } else { exemplars }
    }

    /// The newest exemplar of the next bucket, as [`all`](Self::all).
    pub(crate) fn newest(&mut self, bucket: Bucket) -> Option<&'a Exemplar> {
        self.all(bucket).iter().max_by_key(|exemplar| exemplar.time)
    }
}

impl HistogramValue {
    /// The bucket `+Inf`.
    pub(crate) fn infinite(&self) -> Bucket {
        Bucket { bound: f64::INFINITY, cumulative: self.count }
    }
}

/// The label of an exemplar with the id of its trace. OpenTelemetry's specification has these keys.
pub(crate) const TRACE_ID: &str = "trace_id";
/// The label of an exemplar with the id of its span.
pub(crate) const SPAN_ID: &str = "span_id";

/// Writes the digits of an id, two for each byte.
#[inline]
pub(crate) fn put_hex(digits: &mut [u8], id: &[u8]) {
    let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' - 10 + value };
    for (digits, byte) in digits.chunks_exact_mut(2).zip(id) {
        digits.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exemplars::SpanIds, unix_time::UnixTime};

    /// Each with its time.
    fn newest(buckets: &[(f64, u64)], count: u64, exemplars: &[(f64, u64)]) -> Vec<Option<u64>> {
        let bucket = |&(bound, cumulative): &(f64, u64)| Bucket { bound, cumulative };
        let exemplar = |&(value, time): &(f64, u64)| Exemplar {
            value,
            time: UnixTime(time),
            span: SpanIds::default(),
        };
        let value = HistogramValue {
            count,
            buckets: buckets.iter().map(bucket).collect(),
            exemplars: exemplars.iter().map(exemplar).collect(),
            ..HistogramValue::default()
        };
        let mut found = BucketExemplars::new(&value);
        let all = value.buckets.iter().copied().chain([value.infinite()]);
        all.map(|bucket| found.newest(bucket).map(|exemplar| exemplar.time.0)).collect()
    }

    //
    #[test]
    fn the_newest_exemplar_of_a_bucket_counts() {
        let buckets = [(-1.0, 1), (0.0, 2), (2.0, 3)];
        let none = [None; 4];
        assert_eq!(newest(&buckets, 4, &[]), none);
        let exemplars = [(-7.0, 9), (-1.0, 8), (-0.5, 1), (0.0, 2), (f64::INFINITY, 3)];
        assert_eq!(newest(&buckets, 4, &exemplars), [Some(9), Some(2), None, Some(3)]);
        assert_eq!(newest(&[], 1, &exemplars), [Some(9)]);
        assert_eq!(newest(&buckets, 4, &[(2.0, 1), (2.5, 2), (3.0, 1)])[2..], [Some(1), Some(2)]);
    }

    //
    #[test]
    fn a_bucket_without_a_count_has_no_exemplar() {
        let exemplars = [(0.5, 1), (1.5, 2), (2.5, 3)];
        let buckets = |counts: [u64; 2]| [(1.0, counts[0]), (2.0, counts[1])];
        assert_eq!(newest(&buckets([0, 0]), 0, &exemplars), [None; 3]);
        assert_eq!(newest(&buckets([0, 7]), 7, &exemplars), [None, Some(2), None]);
        assert_eq!(newest(&buckets([7, 7]), 8, &exemplars), [Some(1), None, Some(3)]);
    }

    //
    #[test]
    fn ids_have_two_digits_for_each_byte() {
        let mut digits = [0; 16];
        put_hex(&mut digits, &0x0123_4567_89ab_cdef_u64.to_be_bytes());
        assert_eq!(digits, *b"0123456789abcdef");
        put_hex(&mut digits, &[0xf0, 0, 0, 0, 0, 0, 0, 0x0a]);
        assert_eq!(digits, *b"f00000000000000a");
    }
}
