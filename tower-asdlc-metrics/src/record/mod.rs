//! Recording: which series a request belongs to, and what is added to them.
//!
//! A request takes a `shard`, which belongs to its thread, and finds its route (`routes` -> `route_table` -> `route`). When it
//! ends, the `recorder` adds it to the counters of the route: to the `batch` of the thread, or straight to the SDK's series
//! (`bound` or `unbound`). `instruments` creates all instruments; `settings` is what the builder configured. `in_flight` reports the
//! requests in flight, which the shards count. `entry_limit` and `series_limits` limit the number of series.
//!
//! Types with `#[repr(align(128))]` have cache lines of their own, so that threads do not wait for each other's writes. 128 bytes
//! are two lines, because x86-64 processors prefetch lines in pairs.

pub(crate) mod append_list;
pub(crate) mod batch;
pub(crate) mod entry_limit;
pub(crate) mod flags;
pub(crate) mod in_flight;
pub(crate) mod inline_str;
pub(crate) mod instruments;
pub(crate) mod recorder;
pub(crate) mod route;
pub(crate) mod route_table;
pub(crate) mod routes;
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
