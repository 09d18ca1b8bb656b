//! The labels of a series as protobuf fields.

use crate::{
    exposition::{
        protobuf::wire::{length_tag, push_bytes, push_varint, varint_len},
        text::SPARE,
    },
    families::labels::{
        attributes::Labels, constant::ConstantLabels, escape::push_unescaped, packed_lengths,
        text::pairs,
    },
};
use std::mem;

/// Writes labels. What many series share is encoded once: the constant labels, the labels of the scope, and the
/// keys of the other labels.
#[derive(Default)]
pub(super) struct LabelFields {
    constant: Vec<u8>,
    /// The [address](Labels::address) of the labels that the fields below belong to. `None` if there are none.
    address: Option<usize>,
    /// The constant labels and those of the scope.
    shared: Vec<u8>,
    /// For each key, the beginning of its label.
    openings: Vec<Opening>,
    /// The keys, one after the other.
    keys: Vec<u8>,
    /// A value without escapes. It is a field so that its memory is reused.
    unescaped: Vec<u8>,
    /// The labels of a series whose row is encoded. It is a field for the same reason.
    decoded: String,
}

/// A label up to its value.
struct Opening {
    /// If the key is short: the tag of the label, a byte for its length, the whole key, the tag of the value and
    /// a byte for its length. Copying a whole array is faster than copying the bytes that have a meaning.
    bytes: [u8; SHORT],
    /// How many bytes have a meaning. 0 if the key is too long.
    len: usize,
    key_len: usize,
    /// How many bytes of the text are before the value, after the value before.
    before: usize,
}

impl LabelFields {
    /// Begins a family.
    pub(super) fn begin(&mut self, constant: &ConstantLabels) {
        self.constant.clear();
        push_pairs(&mut self.constant, constant.text(), &mut self.unescaped);
        // In another family, other labels may be at the same address.
        self.address = None;
    }

    #[inline]
    pub(super) fn write(&mut self, out: &mut Vec<u8>, labels: Labels<'_>) {
        if self.address != Some(labels.address()) {
            self.read(labels);
        }
        out.extend_from_slice(&self.shared);
        match labels.text() {
            Some((text, lengths)) => self.write_text(out, text, lengths, labels.are_plain()),
            None => self.write_encoded(out, labels),
        }
    }

    #[inline(never)]
    fn write_encoded(&mut self, out: &mut Vec<u8>, labels: Labels<'_>) {
        let mut decoded = mem::take(&mut self.decoded);
        let (text, lengths) = labels.decoded(&mut decoded);
        self.write_text(out, text, lengths, labels.are_plain());
        self.decoded = decoded;
    }

    #[inline]
    fn write_text(&mut self, out: &mut Vec<u8>, text: &[u8], lengths: &[u8], are_plain: bool) {
        if text.len() > LONG || (!are_plain && has_backslash(text)) {
            return self.push(out, text, lengths);
        }
        let start = out.len();
        // Writing into a slice is faster than appending: the capacity is checked once.
        out.resize(start + self.openings.len() * SHORT + text.len(), 0);
        let put = self.put(&mut out[start..], text, lengths);
        out.truncate(start + put.unwrap_or(0));
        if put.is_none() {
            self.push(out, text, lengths);
        }
    }

    /// Writes labels without escapes to the beginning of `out`. Returns how many bytes they have. `None` if a
    /// label is too long for lengths of one byte.
    #[inline]
    fn put(&self, out: &mut [u8], mut text: &[u8], mut lengths: &[u8]) -> Option<usize> {
        let all = out.len();
        let mut out = out;
        for Opening { bytes, len, before, .. } in &self.openings {
            let (value, rest) =
                text.get(*before..)?.split_at_checked(packed_lengths::take(&mut lengths))?;
            text = rest;
            let pair_len = len + value.len();
            if *len == 0 || pair_len >= LABEL_START + 0x80 {
                return None;
            }
            *out.first_chunk_mut()? = *bytes;
            let (opening, rest) = out.split_at_mut_checked(*len)?;
            let [_, pair, .., value_len] = opening else { return None };
            *pair = (pair_len - LABEL_START) as u8;
            *value_len = value.len() as u8;
            let (place, rest) = rest.split_at_mut_checked(value.len())?;
            place.copy_from_slice(value);
            out = rest;
        }
        Some(all - out.len())
    }

    /// Appends labels whose values may be escaped, and may be long.
    #[cold]
    fn push(&mut self, out: &mut Vec<u8>, mut text: &[u8], mut lengths: &[u8]) {
        let Self { openings, keys, unescaped, .. } = self;
        let mut keys = keys.as_slice();
        for Opening { key_len, before, .. } in openings {
            let (value, rest) = text[*before..].split_at(packed_lengths::take(&mut lengths));
            let (key, more) = keys.split_at(*key_len);
            (text, keys) = (rest, more);
            unescaped.clear();
            push_unescaped(unescaped, value);
            push_pair(out, key, unescaped);
        }
    }

    /// Encodes what other series with the same keys and scope share.
    fn read(&mut self, labels: Labels<'_>) {
        let Self { constant, address, shared, openings, keys, unescaped, .. } = self;
        *address = Some(labels.address());
        constant.clone_into(shared);
        push_pairs(shared, labels.scope().unwrap_or_default(), unescaped);
        openings.clear();
        keys.clear();
        for (key, before) in labels.keys().zip(labels.openings()) {
            openings.push(Opening::new(key.as_bytes(), before.len()));
            keys.extend_from_slice(key.as_bytes());
        }
    }
}

impl Opening {
    fn new(key: &[u8], before: usize) -> Self {
        let (mut bytes, len) = ([0; SHORT], LABEL_START + 2 + key.len() + 2);
        let is_short = len <= SHORT;
        if is_short {
            bytes[..4].copy_from_slice(&[LABEL, 0, NAME, key.len() as u8]);
            bytes[4..][..key.len()].copy_from_slice(key);
            bytes[4 + key.len()] = VALUE;
        }
        Self { bytes, len: if is_short { len } else { 0 }, key_len: key.len(), before }
    }
}

/// Appends labels that are written as text.
fn push_pairs(out: &mut Vec<u8>, text: &str, unescaped: &mut Vec<u8>) {
    for (key, value) in pairs(text) {
        unescaped.clear();
        push_unescaped(unescaped, value.as_bytes());
        push_pair(out, key.as_bytes(), unescaped);
    }
}

/// Appends a label, of a series or of an exemplar.
pub(super) fn push_pair(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let fields = [key.len(), value.len()].map(|len| 1 + varint_len(len as u64) + len);
    out.push(LABEL);
    push_varint(out, fields.iter().sum::<usize>() as u64);
    push_bytes(out, NAME, key);
    push_bytes(out, VALUE, value);
}

/// Checks eight bytes at a time, because most values are short. The last eight may overlap those before.
#[inline]
fn has_backslash(values: &[u8]) -> bool {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let Some(last) = values.last_chunk::<8>() else { return values.contains(&b'\\') };
    let words = values.chunks_exact(8).filter_map(<[u8]>::first_chunk::<8>);
    let found = words.chain([last]).fold(0, |found, word| {
        let zero_where_equal = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'\\'));
        // Not 0 if a byte is: its high bit is set by the borrow, and was not set before.
        found | (zero_where_equal.wrapping_sub(ONES) & !zero_where_equal & HIGH)
    });
    found != 0
}

/// `Metric.label` and `Exemplar.label`.
const LABEL: u8 = length_tag(1);
/// `LabelPair.name`.
const NAME: u8 = length_tag(1);
/// `LabelPair.value`.
const VALUE: u8 = length_tag(2);
/// The tag of a label and its length.
const LABEL_START: usize = 2;
/// The longest text, in bytes, for which there is enough memory in advance.
const LONG: usize = SPARE / 4;
/// As many bytes as the opening of a label with a key of 18 bytes has.
const SHORT: usize = 24;
