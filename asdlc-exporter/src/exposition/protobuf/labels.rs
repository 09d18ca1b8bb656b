//! The labels of a series as protobuf fields.

use crate::{
    exposition::protobuf::wire::{length_tag, push_bytes, push_varint, varint_len},
    families::{
        constant_labels::ConstantLabels, escape::push_unescaped, label_text::pairs, labels::Labels,
        packed_lengths,
    },
};

/// Writes labels. What many series share is encoded once: the constant labels, the labels of the scope, and the
/// keys of the other labels.
#[derive(Default)]
pub(super) struct LabelFields {
    constant: Vec<u8>,
    /// The [address](Labels::address) of the labels that the fields below belong to. `None` if there are none.
    address: Option<usize>,
    /// The constant labels and those of the scope.
    shared: Vec<u8>,
    /// For each key, the beginning of its label up to the value. The two lengths that depend on the value are
    /// 0, with one byte each.
    openings: Vec<u8>,
    /// The length of each opening, and how many bytes of the text are before the value.
    lens: Vec<(usize, usize)>,
    /// A value without escapes. It is a field so that its memory is reused.
    unescaped: Vec<u8>,
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
        let Self { shared, openings, lens, unescaped, .. } = self;
        out.extend_from_slice(shared);
        let (text, mut lengths) = labels.text();
        let has_escapes = has_backslash(text);
        let (mut openings, mut text) = (openings.as_slice(), text);
        for (len, before) in lens {
            let (opening, more) = openings.split_at(*len);
            let (mut value, rest) = text[*before..].split_at(packed_lengths::take(&mut lengths));
            text = rest;
            openings = more;
            if has_escapes {
                unescaped.clear();
                push_unescaped(unescaped, value);
                value = unescaped;
            }
            let pair_len = opening.len() - LABEL_START + value.len();
            if pair_len < 0x80 {
                let start = out.len();
                out.extend_from_slice(opening);
                out[start + LABEL_START - 1] = pair_len as u8;
                out[start + opening.len() - 1] = value.len() as u8;
            } else {
                push_long_opening(out, opening, value.len());
            }
            out.extend_from_slice(value);
        }
    }

    /// Encodes what other series with the same keys and scope share.
    fn read(&mut self, labels: Labels<'_>) {
        let Self { constant, address, shared, openings, lens, unescaped } = self;
        *address = Some(labels.address());
        constant.clone_into(shared);
        push_pairs(shared, labels.scope().unwrap_or_default(), unescaped);
        openings.clear();
        lens.clear();
        for (key, before) in labels.keys().zip(labels.openings()) {
            let start = openings.len();
            openings.extend_from_slice(&[LABEL, 0]);
            push_bytes(openings, NAME, key.as_bytes());
            openings.extend_from_slice(&[VALUE, 0]);
            lens.push((openings.len() - start, before.len()));
        }
    }
}

/// Appends labels that are written as text.
fn push_pairs(out: &mut Vec<u8>, text: &str, unescaped: &mut Vec<u8>) {
    for (key, value) in pairs(text) {
        unescaped.clear();
        push_unescaped(unescaped, value.as_bytes());
        let fields = [key.len(), unescaped.len()].map(|len| 1 + varint_len(len as u64) + len);
        out.push(LABEL);
        push_varint(out, fields.iter().sum::<usize>() as u64);
        push_bytes(out, NAME, key.as_bytes());
        push_bytes(out, VALUE, unescaped);
    }
}

/// Appends the opening of a label that is too long for lengths of one byte.
#[cold]
fn push_long_opening(out: &mut Vec<u8>, opening: &[u8], value_len: usize) {
    let until_length = &opening[LABEL_START..opening.len() - 1];
    let value_len = value_len as u64;
    out.push(LABEL);
    push_varint(out, (until_length.len() + varint_len(value_len)) as u64 + value_len);
    out.extend_from_slice(until_length);
    push_varint(out, value_len);
}

/// Checks 16 bytes at a time with vector instructions, so it does not stop at the first backslash.
#[inline]
fn has_backslash(values: &[u8]) -> bool {
    let has = |bytes: &[u8]| bytes.iter().fold(false, |has, b| has | (*b == b'\\'));
    let words = values.chunks_exact(16);
    has(words.remainder()) || words.into_iter().any(has)
}

/// `Metric.label`.
const LABEL: u8 = length_tag(1);
/// `LabelPair.name`.
const NAME: u8 = length_tag(1);
/// `LabelPair.value`.
const VALUE: u8 = length_tag(2);
/// The tag of a label and its length.
const LABEL_START: usize = 2;
