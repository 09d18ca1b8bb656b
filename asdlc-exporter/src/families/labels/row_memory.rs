//! The memory for the labels of the points of all families.

use crate::families::labels::{cache::LabelCache, rows::LabelRows};

/// The memory for rows, which all families of a reader share.
#[derive(Debug)]
pub(crate) struct RowMemory {
    pub(super) limits: RowLimits,
    /// How many more bytes can be kept.
    pub(super) free: usize,
    /// How many bytes the encoded rows have.
    pub(super) encoded: usize,
    /// Rows of an earlier family that are not kept. Their memory is reused.
    pub(super) spare: LabelRows,
    /// Whether this scrape may encode rows that are too large to be kept as text.
    pub(super) may_encode: bool,
    /// Whether this scrape has not kept some rows, which the next scrape may encode.
    pub(super) may_encode_next: bool,
    /// Whether this scrape has not kept many rows, which the next scrape has to write as text again.
    pub(super) needs_text: bool,
}

/// How many bytes of rows are kept between scrapes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowLimits {
    /// As text.
    pub(crate) text: usize,
    /// Encoded, with the dictionary.
    pub(crate) encoded: usize,
    /// Text of a family that is so small needs little memory, so other families can stay encoded beside it.
    pub(crate) small: usize,
}

impl Default for RowLimits {
    fn default() -> Self {
        Self { text: MAX_TEXT, encoded: MAX_ENCODED, small: SMALL }
    }
}

impl RowMemory {
    /// What these rows leave.
    pub(crate) fn left_by<'r>(
        kept: impl Iterator<Item = &'r LabelRows> + Clone,
        limits: RowLimits,
        labels: &LabelCache,
    ) -> Self {
        Self {
            limits,
            free: limits.text.saturating_sub(kept.clone().map(LabelRows::size).sum()),
            encoded: kept.map(LabelRows::encoded_size).sum(),
            spare: LabelRows::default(),
            may_encode: labels.dictionary().may_encode,
            may_encode_next: false,
            needs_text: false,
        }
    }

    /// Encodes no more rows in this scrape. The caller forgets those that are encoded.
    pub(crate) fn stop_encoding(&mut self) {
        self.may_encode = false;
        self.encoded = 0;
    }

    /// Ends a scrape. Returns whether the caller has to forget all encoded rows: there is not enough memory for them and for
    /// rows that are written as text in each scrape.
    pub(crate) fn end(self, labels: &mut LabelCache) -> bool {
        if self.needs_text {
            labels.forget_dictionary();
        } else {
            labels.dictionary_mut().end_scrape(self.may_encode_next);
        }
        self.needs_text
    }
}

/// The text of about 1 000 series with four labels.
const SMALL: usize = 128 * 1024;

/// Enough for the text of about 20 000 series with four labels.
pub(super) const MAX_TEXT: usize = 2 * 1024 * 1024;

/// Enough for about 400 000 encoded series with four labels. The text of 100 000 such series is larger.
const MAX_ENCODED: usize = 8 * 1024 * 1024;
