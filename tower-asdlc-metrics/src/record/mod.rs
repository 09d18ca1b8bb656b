//! Instruments, series, and what a request adds to them.

pub(crate) mod append_list;
pub(crate) mod batch;
pub(crate) mod entry_limit;
pub(crate) mod flags;
pub(crate) mod handle;
pub(crate) mod inline_str;
pub(crate) mod instruments;
pub(crate) mod recorder;
pub(crate) mod route;
pub(crate) mod route_table;
pub(crate) mod series_limits;
pub(crate) mod settings;
pub(crate) mod shard;
mod sync;
pub(crate) mod thread_index;
pub(crate) mod unmatched_warning;

#[cfg(feature = "bound")]
mod bound;
#[cfg(not(feature = "bound"))]
mod unbound;
