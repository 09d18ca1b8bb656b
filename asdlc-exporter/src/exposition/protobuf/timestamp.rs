//! Times as protobuf fields.

use crate::{
    exposition::protobuf::wire::{length_tag, put_varint, varint_tag},
    unix_time::UnixTime,
};

/// The field `created_timestamp` of a series. Many series have the same one, so the last one is kept.
pub(super) struct CreatedTimestamp {
    time: UnixTime,
    field: [u8; Self::MAX],
    len: usize,
}

impl CreatedTimestamp {
    pub(super) const MAX: usize = 1 + MAX_TIMESTAMP;

    pub(super) fn new() -> Self {
        let mut this = Self { time: UnixTime(0), field: [0; Self::MAX], len: 0 };
        this.set(UnixTime(0));
        this
    }

    /// The field, with this tag. Bytes after its length have no meaning.
    #[inline]
    pub(super) fn field(&mut self, tag: u8, time: UnixTime) -> (&[u8; Self::MAX], usize) {
        if self.time != time {
            self.set(time);
        }
        self.field[0] = tag;
        (&self.field, self.len)
    }

    fn set(&mut self, time: UnixTime) {
        (self.time, self.len) = (time, 1 + put_timestamp(&mut self.field[1..], time));
    }
}

/// Writes the length of a message `Timestamp` and the message to the beginning of the slice. Returns how many bytes
/// both have, at most [`MAX_TIMESTAMP`].
pub(super) fn put_timestamp(out: &mut [u8], UnixTime(nanoseconds): UnixTime) -> usize {
    let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let mut len = 1;
    for (tag, value) in [(SECONDS, seconds), (NANOS, rest)] {
        // Without a value, both are 0: this message has the syntax `proto3`.
        if value > 0 {
            out[len] = tag;
            len += 1 + put_varint(&mut out[len + 1..], value);
        }
    }
    out[0] = (len - 1) as u8;
    len
}

/// The length of the message, and two fields of at most five bytes with their tags: a `UnixTime` has at most 35 bits
/// of seconds.
pub(super) const MAX_TIMESTAMP: usize = 1 + 2 * (1 + 5);

/// `Counter.created_timestamp`.
pub(super) const OF_COUNTER: u8 = length_tag(3);
/// `Summary.created_timestamp`.
pub(super) const OF_SUMMARY: u8 = length_tag(4);
/// `Histogram.created_timestamp`.
pub(super) const OF_HISTOGRAM: u8 = length_tag(15);
const SECONDS: u8 = varint_tag(1);
const NANOS: u8 = varint_tag(2);
