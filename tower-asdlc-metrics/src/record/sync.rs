//! What the batches are made of, in one place: the models in `tests/loom` compile the same source with loom's.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::thread::yield_now;

/// For how many measurements a batch has room.
pub(crate) const BATCH_SIZE: usize = 16;
