//! The labels of the points of a large family as numbers.

use crate::families::labels::{
    attributes::{Attribute, Row},
    cache::{FoundKeys, LabelCache},
    dictionary::{Dictionary, EncodedRow, LabelNumber},
    layouts::LayoutId,
    row_digest::RowDigest,
    rows::Scratch,
};

/// The labels of each point of a family, in the order of the points, as numbers of a [`Dictionary`]. They take about a quarter of
/// the memory of the text.
///
/// One scrape encodes them. The scrapes after it compare their points with them.
#[derive(Debug)]
pub(super) struct EncodedRows {
    layouts: Vec<LayoutId>,
    /// For each row, `width` numbers. A row with fewer labels does not use the last ones.
    numbers: Vec<LabelNumber>,
    width: usize,
    /// The digest of the rows so far, in the scrape that encodes them. `None` after that scrape.
    digest: Option<RowDigest>,
    /// How many bytes they and the dictionary may have.
    limit: usize,
    /// How many rows there will be.
    expected: usize,
}

/// Why a row is not encoded.
pub(super) enum NotEncoded {
    /// The labels of the point are not those of the last scrape.
    Changed,
    /// Its labels could not be compared in the next scrape, or there is not enough memory.
    Unsuitable,
}

impl EncodedRows {
    /// Begins to encode so many rows. They and the dictionary may have `limit` bytes.
    pub(super) fn new(digest: RowDigest, limit: usize, expected: usize) -> Self {
        let (layouts, numbers) = (Vec::with_capacity(expected), Vec::new());
        Self { layouts, numbers, width: 0, digest: Some(digest), limit, expected }
    }

    /// Whether the scrape that encodes them has ended.
    pub(super) fn are_complete(&self) -> bool {
        self.digest.is_none()
    }

    /// Encodes the labels of the next point, or compares them with the row of the last scrape. `at` is the number of
    /// rows before it.
    pub(super) fn add(
        &mut self,
        at: usize,
        labels: &mut LabelCache,
        keys: FoundKeys,
        attributes: &[Attribute<'_>],
        scratch: &mut Scratch,
    ) -> Result<(), NotEncoded> {
        if self.digest.is_some() {
            return self.encode(labels, keys, attributes, scratch);
        }
        let is_same = self.layouts.get(at).is_some_and(|&layout| {
            let numbers = &self.numbers[at * self.width..][..self.width];
            labels.have_labels(keys, layout, attributes, numbers)
        });
        if is_same { Ok(()) } else { Err(NotEncoded::Changed) }
    }

    fn encode(
        &mut self,
        labels: &mut LabelCache,
        keys: FoundKeys,
        attributes: &[Attribute<'_>],
        Scratch { row, lengths }: &mut Scratch,
    ) -> Result<(), NotEncoded> {
        row.clear();
        let truncated = labels.truncated();
        let layout = labels.push_labels(row, lengths, keys, attributes);
        if let Some(digest) = &mut self.digest {
            digest.push(layout, row.as_bytes());
        }
        if lengths.len() > self.width {
            self.widen(lengths.len());
        }
        let start = self.numbers.len();
        let (layouts, dictionary) = labels.layouts_and_dictionary();
        let mut rest = row.as_str();
        for (opening, length) in layouts[layout.index()].openings.iter().zip(&*lengths) {
            let (label, others) = rest.split_at(opening.len() + length);
            rest = others;
            self.numbers.push(dictionary.add(label));
        }
        self.numbers.resize(start + self.width, LabelNumber(0));
        self.layouts.push(layout);
        let is_small = self.size() + dictionary.size() <= self.limit;
        if is_small && labels.are_labels(keys, layout, attributes, &self.numbers[start..]) {
            return Ok(());
        }
        // The row is written as text next, which counts its truncated labels again.
        labels.set_truncated(truncated);
        Err(NotEncoded::Unsuitable)
    }

    /// Makes room for so many labels in each row.
    fn widen(&mut self, width: usize) {
        let Self { numbers, expected, .. } = self;
        let most = self.limit / size_of::<LabelNumber>();
        let mut wider = Vec::with_capacity((width * *expected).min(most));
        for at in 0..self.layouts.len() {
            wider.extend_from_slice(&numbers[at * self.width..][..self.width]);
            wider.resize(wider.len() + width - self.width, LabelNumber(0));
        }
        (self.numbers, self.width) = (wider, width);
    }

    /// Ends a scrape with so many rows. `digest` is that of the last scrape. Returns whether the rows are those of the last
    /// scrape: only their number is left to check if they were compared, and their digest, too, if they were encoded.
    pub(super) fn end(&mut self, rows: usize, digest: u64) -> bool {
        rows == self.layouts.len()
            && self.digest.take().is_none_or(|rows_digest| rows_digest.finish(rows) == digest)
    }

    /// The layout and the labels of a row.
    #[inline]
    pub(super) fn row<'t>(
        &'t self,
        at: usize,
        dictionary: &'t Dictionary,
    ) -> (LayoutId, EncodedRow<'t>) {
        let numbers = &self.numbers[at * self.width..][..self.width];
        (self.layouts[at], EncodedRow { dictionary, numbers })
    }

    /// The same, as a row of any kind. Not inlined, so that the code for text is.
    #[inline(never)]
    pub(super) fn any_row<'t>(
        &'t self,
        at: usize,
        dictionary: &'t Dictionary,
    ) -> (LayoutId, Row<'t>) {
        let (layout, row) = self.row(at, dictionary);
        (layout, Row::Encoded(row))
    }

    /// How many bytes they have.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.layouts) + size_of_val(&*self.numbers)
    }
}
