//! The order of the series of a family, which is kept between scrapes.

use crate::families::labels::{row_memory::RowMemory, rows::LabelRows};

/// The labels of a family's points, and the order of its series. The order is kept between scrapes, and valid while the
/// family has the same points.
#[derive(Debug, Default)]
pub(crate) struct SeriesOrder {
    /// The labels of each point, in the order in which the points are loaded.
    pub(super) labels: LabelRows,
    /// The numbers of the points, sorted by their labels. Those of a large family are sorted only if several of them are one
    /// series: other large families are written in the order in which their points are read.
    pub(super) rows: Vec<u32>,
    /// Whether each point is a series of its own.
    pub(super) is_distinct: bool,
    /// The hash of the labels of all points, in the order in which the points were read.
    pub(super) digest: u64,
    pub(super) text_len: usize,
    /// Whether the points were the same in the last two scrapes.
    pub(super) is_steady: bool,
    /// Whether the labels could not be encoded, although they were the same.
    pub(super) is_unsuitable: bool,
    /// Whether a warning was logged that labels of this family are truncated.
    pub(crate) is_truncation_logged: bool,
    /// Whether an overflow series of this family was reported.
    pub(crate) is_overflow_reported: bool,
}

impl SeriesOrder {
    /// The hash of the labels of all series: as long as it is the same, the family has the same series in the
    /// same order.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }

    /// How many points there are. There are at most as many series.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The labels of the points, if they are kept.
    pub(crate) fn labels(&self) -> &LabelRows {
        &self.labels
    }

    /// Keeps the labels for the next scrape, if there is enough memory. Call it when the family is written.
    pub(crate) fn keep_labels(&mut self, memory: &mut RowMemory) {
        let can_be_encoded = self.can_be_encoded();
        self.labels.keep(memory, can_be_encoded);
    }

    /// Whether the next scrape may encode the labels. It is only worth it if the points are the same in each scrape. If several
    /// points are one series, their labels have to be compared, for which they have to be text.
    pub(super) fn can_be_encoded(&self) -> bool {
        self.is_steady && self.is_distinct && !self.is_unsuitable
    }

    /// Forgets the labels if they are encoded.
    pub(crate) fn forget_encoded(&mut self) {
        self.labels.forget_encoded();
    }

    /// Forgets the labels. Call it if the layouts get other numbers.
    pub(crate) fn forget_labels(&mut self) {
        self.labels = LabelRows::default();
    }
}
