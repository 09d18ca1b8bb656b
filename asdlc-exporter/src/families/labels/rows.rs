//! The labels of the points of a family, as text or encoded.

use crate::families::labels::{
    attributes::{Attribute, Row},
    cache::{FoundKeys, LabelCache},
    encoded_rows::{EncodedRows, NotEncoded},
    layouts::LayoutId,
    packed_lengths,
    row_digest::RowDigest,
    row_memory::RowMemory,
};
use std::{cmp::Ordering, mem};

/// The labels of each point of a family, in the order of the points.
///
/// If they fit into the memory for it, they are [kept](Self::keep) until the next scrape, because points mostly have the
/// same labels again. Then the attributes of a point are only compared with its row, which takes much less time than
/// writing the row. Rows that do not fit can be [encoded](EncodedRows), if the last two scrapes had the same rows.
#[derive(Debug, Default)]
pub(crate) struct LabelRows {
    /// For each row, its labels and the packed lengths of their values.
    text: String,
    rows: Vec<LabelRow>,
    /// How many rows are those of points of this scrape. The rows after them are from the last scrape.
    known: usize,
    /// How many rows this scrape will have.
    expected: usize,
    /// Whether the rows may differ from those that were kept last.
    is_changed: bool,
    /// Whether no row that was kept has an escape. Only then, a value that is not escaped can be compared with a row.
    is_plain: bool,
    /// The rows, if they are encoded. Then there are none above.
    encoded: Option<EncodedRows>,
    /// Whether they could not be encoded in this scrape.
    is_unsuitable: bool,
}

/// Where the labels of a row are, in 12 bytes: a large family has many rows.
#[derive(Clone, Copy, Debug)]
struct LabelRow {
    /// The lower 32 bits of where they begin in the text.
    start: u32,
    /// The upper 8 bits of it, and how many bytes they have, without the packed lengths. A line of an exposition has less than
    /// 2^24 bytes.
    start_and_len: u32,
    layout: LayoutId,
}

impl LabelRow {
    fn new(start: usize, len: usize, layout: LayoutId) -> Self {
        let start_and_len = (start as u64 >> 32) as u32 | (len as u32) << 8;
        Self { start: start as u32, start_and_len, layout }
    }

    #[inline]
    fn start(self) -> usize {
        (u64::from(self.start) | u64::from(self.start_and_len & 0xff) << 32) as usize
    }

    #[inline]
    fn len(self) -> usize {
        (self.start_and_len >> 8) as usize
    }
}

/// Memory to write one row.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(super) row: String,
    /// The lengths of its values.
    pub(super) lengths: Vec<usize>,
}

impl LabelRows {
    /// Begins a scrape. It will have about `rows` rows with `text_len` bytes of text. If the text of the last scrape was not
    /// kept, and `can_be_encoded`, this scrape encodes the rows.
    pub(in crate::families) fn begin(
        &mut self,
        memory: &mut RowMemory,
        labels: &LabelCache,
        text_len: usize,
        rows: usize,
        can_be_encoded: bool,
    ) {
        memory.free += self.size();
        memory.encoded -= self.encoded_size();
        (self.known, self.expected, self.is_unsuitable) = (0, rows, false);
        if self.encoded.as_ref().is_some_and(EncodedRows::are_complete) {
            return;
        }
        // After a panic, some rows may be missing.
        self.encoded = None;
        if self.rows.is_empty() {
            if can_be_encoded && memory.may_encode {
                let limit = memory.limits.encoded.saturating_sub(memory.encoded);
                let encoded = EncodedRows::new(labels.digest(), limit, rows);
                *self = Self { encoded: Some(encoded), expected: rows, ..Self::default() };
                return;
            }
            // Nothing is known about the rows of the last scrape.
            let spare = mem::take(&mut memory.spare);
            *self =
                Self { is_changed: true, expected: rows, known: 0, is_unsuitable: false, ..spare };
        }
        // As much memory as the last scrape needed, and not more.
        self.text.reserve_exact((text_len + SPARE).saturating_sub(self.text.len()));
        self.rows.reserve_exact(rows.saturating_sub(self.rows.len()));
    }

    /// Adds the labels of the next point.
    #[inline]
    pub(in crate::families) fn add(
        &mut self,
        labels: &mut LabelCache,
        keys: FoundKeys,
        attributes: &[Attribute<'_>],
        scratch: &mut Scratch,
    ) {
        let Self { text, rows, known, is_plain, .. } = self;
        let kept = rows.get(*known).filter(|_| *is_plain);
        let is_same = kept.is_some_and(|row| {
            let (text, lengths) = text.as_bytes()[row.start()..].split_at(row.len());
            labels.have_values(keys, row.layout, attributes, text, lengths)
        });
        if is_same {
            *known += 1;
        } else {
            self.write(labels, keys, attributes, scratch);
        }
    }

    /// Adds the labels of the next point, if it does not have the values of the kept text, or if the rows are encoded.
    #[inline(never)]
    fn write(
        &mut self,
        labels: &mut LabelCache,
        keys: FoundKeys,
        attributes: &[Attribute<'_>],
        scratch: &mut Scratch,
    ) {
        if let Some(encoded) = &mut self.encoded {
            match encoded.add(self.known, labels, keys, attributes, scratch) {
                Ok(()) => {
                    self.known += 1;
                    return;
                }
                Err(NotEncoded::Changed) => {}
                Err(NotEncoded::Unsuitable) => self.is_unsuitable = true,
            }
            self.decode(labels);
        }
        let Scratch { row, lengths } = scratch;
        if self.text.capacity() - self.text.len() < SPARE {
            self.grow();
        }
        let Self { text, rows, known, is_changed, .. } = self;
        row.clear();
        let kept = rows.get(*known);
        let out = if kept.is_some() { &mut *row } else { &mut *text };
        let mut start = out.len();
        let layout = labels.push_labels(out, lengths, keys, attributes);
        if let Some(kept) = kept {
            if kept.layout == layout && text[kept.start()..][..kept.len()] == **row {
                *known += 1;
                return;
            }
            // The points after this one have other rows than in the last scrape.
            start = kept.start();
            text.truncate(start);
            text.push_str(row);
            rows.truncate(*known);
        }
        let len = text.len() - start;
        lengths.iter().for_each(|length| packed_lengths::push(text, *length));
        rows.push(LabelRow::new(start, len, layout));
        *known += 1;
        *is_changed = true;
    }

    /// Makes room for the rows that are missing, if they are as long as the others. By default, a `String` doubles its capacity,
    /// which is too much for a large family.
    #[cold]
    fn grow(&mut self) {
        let Self { text, rows, expected, .. } = self;
        let mean = text.len() / rows.len().max(1) + 1;
        let missing = expected.saturating_sub(rows.len()) * (mean + mean / 16);
        text.reserve_exact(missing.max(2 * SPARE));
    }

    /// Makes text of the rows that this scrape has encoded, or compared with encoded ones, so far.
    #[cold]
    fn decode(&mut self, labels: &LabelCache) {
        let Some(encoded) = self.encoded.take() else { return };
        self.rows.reserve_exact(self.expected);
        for at in 0..self.known {
            if self.text.capacity() - self.text.len() < SPARE {
                self.grow();
            }
            let (layout, row) = encoded.row(at, labels.dictionary());
            let start = self.text.len();
            let len = row.decode(&mut self.text, &labels.layouts()[layout.index()].openings);
            self.rows.push(LabelRow::new(start, len, layout));
        }
        self.is_changed = true;
    }

    /// Whether the rows are encoded.
    pub(crate) fn are_encoded(&self) -> bool {
        self.encoded.is_some()
    }

    /// Whether rows could not be encoded in this scrape.
    pub(in crate::families) fn are_unsuitable(&self) -> bool {
        self.is_unsuitable
    }

    /// Forgets the rows if they are encoded.
    pub(in crate::families) fn forget_encoded(&mut self) {
        self.encoded = None;
    }

    /// Ends a scrape. `digest` is that of the last scrape. Returns whether the rows may differ from those that were kept last.
    pub(in crate::families) fn end(&mut self, labels: &LabelCache, digest: u64) -> bool {
        if let Some(encoded) = &mut self.encoded {
            if encoded.end(self.known, digest) {
                return false;
            }
            self.decode(labels);
        }
        let Self { text, rows, known, is_changed, .. } = self;
        if let Some(gone) = rows.get(*known) {
            text.truncate(gone.start());
            rows.truncate(*known);
            *is_changed = true;
        }
        *is_changed
    }

    /// The digest of all labels.
    pub(in crate::families) fn digest(&self, mut digest: RowDigest) -> u64 {
        let Self { text, rows, .. } = self;
        for row in rows {
            digest.push(row.layout, &text.as_bytes()[row.start()..][..row.len()]);
        }
        digest.finish(rows.len())
    }

    /// Whether all rows have different labels. The rows must not be encoded. `digest` returns the digest of no rows. If two
    /// different rows have the same digest, the result is `false` as well.
    pub(in crate::families) fn are_distinct(&self, digest: impl Fn() -> RowDigest) -> bool {
        let text = self.text.as_bytes();
        let hash = |row: &LabelRow| {
            let mut digest = digest();
            digest.push(row.layout, &text[row.start()..][..row.len()]);
            digest.finish(1)
        };
        let mut hashes: Vec<_> = self.rows.iter().map(hash).collect();
        hashes.sort_unstable();
        hashes.windows(2).all(|pair| pair[0] != pair[1])
    }

    /// The bytes of the text.
    pub(in crate::families) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// The layout of a row, and its labels.
    #[inline]
    pub(in crate::families) fn row<'t>(
        &'t self,
        at: u32,
        labels: &'t LabelCache,
    ) -> (LayoutId, Row<'t>) {
        if let Some(encoded) = &self.encoded {
            return encoded.any_row(at as usize, labels.dictionary());
        }
        let (layout, text, lengths) = self.text(at);
        (layout, Row::Text { text, lengths })
    }

    /// The layout of a row that is not encoded, its labels, and the packed lengths of their values, with the data of later
    /// rows.
    #[inline]
    fn text(&self, at: u32) -> (LayoutId, &[u8], &[u8]) {
        let row = self.rows[at as usize];
        let (text, rest) = self.text.as_bytes()[row.start()..].split_at(row.len());
        (row.layout, text, rest)
    }

    /// Whether it is known that no row has an escape.
    #[inline]
    pub(in crate::families) fn are_plain(&self) -> bool {
        (self.is_plain && !self.is_changed) || self.encoded.is_some()
    }

    /// Compares the labels of two rows, which are not encoded.
    pub(in crate::families) fn compare(&self, labels: &LabelCache, a: u32, b: u32) -> Ordering {
        let ((a, a_text, _), (b, b_text, _)) = (self.text(a), self.text(b));
        labels.compare(a, b).then_with(|| a_text.cmp(b_text))
    }

    /// Keeps the rows for the next scrape, if there is enough memory. `can_be_encoded` says whether the next scrape may encode
    /// them otherwise.
    pub(in crate::families) fn keep(&mut self, memory: &mut RowMemory, can_be_encoded: bool) {
        memory.encoded += self.encoded_size();
        let Some(free) = memory.free.checked_sub(self.size()) else {
            memory.may_encode_next |= can_be_encoded;
            memory.needs_text |= !can_be_encoded && self.size() > memory.limits.small;
            self.text.clear();
            self.rows.clear();
            memory.spare = mem::take(self);
            return;
        };
        memory.free = free;
        if mem::take(&mut self.is_changed) {
            self.text.shrink_to_fit();
            self.rows.shrink_to_fit();
            self.is_plain = !self.text.as_bytes().contains(&b'\\');
        }
    }

    /// The memory of what is kept.
    pub(super) fn size(&self) -> usize {
        self.text.len() + self.rows.len() * size_of::<LabelRow>()
    }

    pub(super) fn encoded_size(&self) -> usize {
        self.encoded.as_ref().map_or(0, EncodedRows::size)
    }
}

/// More bytes than most rows have.
const SPARE: usize = 512;

#[cfg(test)]
mod tests;
