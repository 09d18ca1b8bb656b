//! What `batch` takes from `std`. The models in `tests/loom` compile the same source with loom's types in place of these.

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
pub(crate) use std::thread::yield_now;

/// How many measurements a batch buffers.
pub(crate) const BATCH_SIZE: usize = 16;
