//! The labels of the points of a family as text.

use crate::families::labels::{
    attributes::Attribute,
    cache::{DigestHasher, FoundKeys, LabelCache},
    layouts::LayoutId,
    packed_lengths,
};
use std::{cmp::Ordering, hash::Hasher as _, mem};

/// The labels of each point of a family, in the order of the points.
///
/// If they fit into the memory for it, they are [kept](Self::keep) until the next scrape, because points mostly have the
/// same labels again. Then the attributes of a point are only compared with its row, which takes much less time than
/// writing the row.
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
    row: String,
    /// The lengths of its values.
    lengths: Vec<usize>,
}

/// The memory for rows, which all families of a reader share.
#[derive(Debug)]
pub(crate) struct RowMemory {
    /// How many more bytes can be kept.
    free: usize,
    /// Rows of an earlier family that are not kept. Their memory is reused.
    spare: LabelRows,
}

impl LabelRows {
    /// Begins a scrape of so many rows. It probably has about so many bytes of text.
    pub(in crate::families) fn begin(
        &mut self,
        memory: &mut RowMemory,
        text_len: usize,
        rows: usize,
    ) {
        memory.free += self.size();
        if self.rows.is_empty() {
            // Nothing is known about the rows of the last scrape.
            *self = Self { is_changed: true, ..mem::take(&mut memory.spare) };
        }
        self.known = 0;
        self.expected = rows;
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

    /// Adds the labels of the next point, where comparing its attributes was not enough.
    #[inline(never)]
    fn write(
        &mut self,
        labels: &mut LabelCache,
        keys: FoundKeys,
        attributes: &[Attribute<'_>],
        Scratch { row, lengths }: &mut Scratch,
    ) {
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

    /// Makes room for the rows that are missing, if they are as long as the others. By default, memory doubles its capacity, which is
    /// too much for a large family.
    #[cold]
    fn grow(&mut self) {
        let Self { text, rows, expected, .. } = self;
        let mean = text.len() / rows.len().max(1) + 1;
        let missing = expected.saturating_sub(rows.len()) * (mean + mean / 16);
        text.reserve_exact(missing.max(2 * SPARE));
    }

    /// Ends a scrape. Returns whether the rows may differ from those that were kept last.
    pub(in crate::families) fn end(&mut self) -> bool {
        let Self { text, rows, known, is_changed, .. } = self;
        if let Some(gone) = rows.get(*known) {
            text.truncate(gone.start());
            rows.truncate(*known);
            *is_changed = true;
        }
        *is_changed
    }

    /// The digest of all labels.
    pub(in crate::families) fn digest(&self, mut hasher: DigestHasher) -> u64 {
        let Self { text, rows, .. } = self;
        let mut last = None;
        for (at, LabelRow { layout, .. }) in rows.iter().enumerate() {
            if last != Some(*layout) {
                hasher.write_usize(at);
                hasher.write_u32(layout.number());
                last = Some(*layout);
            }
        }
        hasher.write(text.as_bytes());
        hasher.write_usize(rows.len());
        hasher.finish()
    }

    /// The bytes of the text.
    pub(in crate::families) fn text_len(&self) -> usize {
        self.text.len()
    }

    /// The layout of a row, its labels, and the packed lengths of their values, with the data of later rows.
    #[inline]
    pub(in crate::families) fn row(&self, at: u32) -> (LayoutId, &[u8], &[u8]) {
        let row = self.rows[at as usize];
        let (text, rest) = self.text.as_bytes()[row.start()..].split_at(row.len());
        (row.layout, text, rest)
    }

    /// Whether it is known that no row has an escape.
    #[inline]
    pub(in crate::families) fn are_plain(&self) -> bool {
        self.is_plain && !self.is_changed
    }

    /// Reads a byte of each cache line that most rows have, to load them into the CPU caches. The result is meaningless, but
    /// has to be used.
    #[inline]
    pub(in crate::families) fn touch(&self, at: u32) -> u8 {
        let row = self.rows[at as usize];
        let (text, start) = (self.text.as_bytes(), row.start());
        let byte = |at: usize| text.get(at).copied().unwrap_or(0);
        byte(start) ^ byte(start + CACHE_LINE) ^ byte(start + row.len())
    }

    pub(in crate::families) fn compare(&self, labels: &LabelCache, a: u32, b: u32) -> Ordering {
        let ((a, a_text, _), (b, b_text, _)) = (self.row(a), self.row(b));
        labels.compare(a, b).then_with(|| a_text.cmp(b_text))
    }

    /// Keeps the rows for the next scrape, if there is enough memory.
    pub(in crate::families) fn keep(&mut self, memory: &mut RowMemory) {
        let Some(free) = memory.free.checked_sub(self.size()) else {
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
    fn size(&self) -> usize {
        self.text.len() + self.rows.len() * size_of::<LabelRow>()
    }
}

impl RowMemory {
    /// What these rows leave.
    pub(crate) fn left_by<'r>(kept: impl Iterator<Item = &'r LabelRows>) -> Self {
        let free = MAX_KEPT.saturating_sub(kept.map(LabelRows::size).sum());
        Self { free, spare: LabelRows::default() }
    }
}

/// The bytes that CPUs load at once.
const CACHE_LINE: usize = 64;

/// More bytes than most rows have.
const SPARE: usize = 512;

/// How many bytes of rows are kept: those of about 15 000 series with four labels.
const MAX_KEPT: usize = 2 * 1024 * 1024;

#[cfg(test)]
mod tests;
