//! The hash of the labels of all points of a family.

use crate::families::labels::layouts::LayoutId;
use foldhash::quality::{FoldHasher, RandomState};
use std::{
    fmt,
    hash::{BuildHasher as _, Hasher as _},
};

/// The hash of a family's labels in one scrape. If the next scrape has the same hash, it has the same labels. The seed is random,
/// so that nobody can choose label values that cause a collision.
pub(crate) struct RowDigest(FoldHasher<'static>);

impl RowDigest {
    pub(super) fn new(hasher: &RandomState) -> Self {
        Self(hasher.build_hasher())
    }

    /// Adds a row.
    #[inline]
    pub(super) fn push(&mut self, layout: LayoutId, labels: &[u8]) {
        self.0.write_u32(layout.number());
        self.0.write(labels);
    }

    /// The digest of so many rows.
    pub(super) fn finish(mut self, rows: usize) -> u64 {
        self.0.write_usize(rows);
        self.0.finish()
    }
}

impl fmt::Debug for RowDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowDigest").finish_non_exhaustive()
    }
}
