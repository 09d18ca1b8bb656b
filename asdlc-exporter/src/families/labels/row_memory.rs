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
    /// Whether rows that do not fit can be encoded.
    pub(super) encodes: bool,
    /// Whether some rows were not kept, but can be encoded in the next scrape.
    pub(super) can_encode: bool,
    /// Whether some rows were not kept, and cannot.
    pub(super) is_full: bool,
}

/// How many bytes of rows are kept between scrapes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowLimits {
    /// As text.
    pub(crate) text: usize,
    /// Encoded, with the dictionary.
    pub(crate) encoded: usize,
}

impl Default for RowLimits {
    fn default() -> Self {
        Self { text: MAX_TEXT, encoded: MAX_ENCODED }
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
            encodes: labels.dictionary().is_open,
            can_encode: false,
            is_full: false,
        }
    }

    /// No more rows are encoded in this scrape.
    pub(crate) fn stop_encoding(&mut self) {
        self.encodes = false;
        self.encoded = 0;
    }

    /// Ends a scrape. Returns whether the caller has to forget all encoded rows: there is not enough memory for them and for
    /// rows that are written as text in each scrape.
    pub(crate) fn end(self, labels: &mut LabelCache) -> bool {
        if self.is_full {
            labels.forget_dictionary();
        } else {
            labels.dictionary_mut().end_scrape(self.can_encode);
        }
        self.is_full
    }
}

/// The rows of about 15 000 series with four labels, as text.
pub(super) const MAX_TEXT: usize = 2 * 1024 * 1024;

/// Those of about 400 000 series, encoded. It is less than the text of 100 000 series.
const MAX_ENCODED: usize = 8 * 1024 * 1024;
