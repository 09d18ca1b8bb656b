//! The boundaries of a histogram as text.

use crate::{
    exposition::{
        number::{push_float, push_integer},
        text::push_str,
    },
    families::model::Bucket,
};

/// The boundaries of a histogram as text. All series of a metric have the same boundaries, so each
/// boundary is formatted once.
#[derive(Default)]
pub(crate) struct BoundTexts(pub(crate) Vec<BoundText>);

pub(crate) struct BoundText {
    bound: f64,
    /// For example `0.5"} `, followed by zeros up to the length of the array.
    text: [u8; BLOCK],
    len: u8,
    /// The text, if it is longer than that. Otherwise empty.
    long: Vec<u8>,
}

impl BoundText {
    fn new(bound: f64, is_open_metrics: bool) -> Self {
        let mut long = Vec::new();
        push_float(&mut long, bound, is_open_metrics);
        push_str(&mut long, "\"} ");
        let (mut text, mut len) = ([0; BLOCK], 0);
        // Leaves one byte for a count.
        if let Some(short) = text[..BLOCK - 1].get_mut(..long.len()) {
            short.copy_from_slice(&long);
            len = long.len() as u8;
            long = Vec::new();
        }
        Self { bound, text, len, long }
    }

    /// The boundary, and the characters between it and the count of its bucket.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self.len {
            0 => &self.long,
            len => &self.text[..usize::from(len)],
        }
    }

    /// Appends the boundary and the count of its bucket. With a second caller, the compiler would not inline it.
    #[inline]
    pub(crate) fn push(&self, out: &mut Vec<u8>, count: u64) {
        let len = usize::from(self.len);
        if len == 0 {
            out.extend_from_slice(&self.long);
            push_integer(out, count);
            return;
        }
        // Copying a fixed number of bytes needs no call. Many buckets have a count of one digit. This digit is written
        // after the copy: a CPU waits if it reads 16 bytes of which one was just written.
        let end = out.len() + len;
        out.extend_from_slice(&self.text);
        match out.get_mut(end) {
            Some(digit) if count < 10 => {
                *digit = b'0' + count as u8;
                out.truncate(end + 1);
            }
            _ => {
                out.truncate(end);
                push_integer(out, count);
            }
        }
    }
}

impl BoundTexts {
    #[inline]
    pub(crate) fn prepare(&mut self, buckets: &[Bucket], is_open_metrics: bool) {
        let Self(bounds) = self;
        let is_same =
            |(text, bucket): (&BoundText, &Bucket)| text.bound.to_bits() == bucket.bound.to_bits();
        if bounds.len() == buckets.len() && bounds.iter().zip(buckets).all(is_same) {
            return;
        }
        bounds.clear();
        let text = |bucket: &Bucket| BoundText::new(bucket.bound, is_open_metrics);
        bounds.extend(buckets.iter().map(text));
    }
}

/// How many bytes are copied at once.
const BLOCK: usize = 16;
