//! Recording: finds the series of a request and adds to them.
//!
//! A request takes the `shard` of its thread, which counts it as in flight, and finds its route (`routes` -> `route_table` ->
//! `route`). If the endpoint is always the same, `fixed_routes` has the route, and for axum's templates `matched_routes` has it, each
//! as a `known_route`. When the request ends (`finished_exchange`), the `recorder`
//! finds the series of the route for this ending, and adds the request to them: to the `batch` of the thread, or directly to the
//! SDK's series (`bound` or `unbound`). Before each collection, `in_flight` reports the requests in flight, which the shards
//! count, and then the recorder flushes the batches. `exemplars` tells the meter which span the measurements belong
//! to, and `exemplar_sink` records the exemplars of a request whose measurements are in a batch.
//!
//! `instruments` creates all instruments, with their names. `prometheus_series` and `semantic_series` create series with the labels
//! of each convention. `hosts` has the numbers of the hosts. `entry_limit` and `series_limits` limit the number of series.
//! `settings` has what the builder configured, and `flags` has what each request checks first. `thread_index` selects the shard
//! and the batch of a thread. A route has its endings in an `append_list`, and its endpoint in an `inline_str`.
//! `unmatched_warning` warns if no request matches a route.
//!
//! Types with `#[repr(align(128))]` have cache lines of their own, so that threads do not wait for each other's writes. 128 bytes
//! are two lines, because x86-64 processors prefetch lines in pairs.

pub(crate) mod append_list;
pub(crate) mod batch;
pub(crate) mod entry_limit;
pub(crate) mod exemplars;
pub(crate) mod finished_exchange;
pub(crate) mod fixed_routes;
pub(crate) mod flags;
pub(crate) mod hosts;
pub(crate) mod in_flight;
pub(crate) mod inline_str;
pub(crate) mod instruments;
pub(crate) mod known_route;
#[cfg(feature = "axum")]
pub(crate) mod matched_routes;
pub(crate) mod prometheus_series;
pub(crate) mod recorder;
pub(crate) mod route;
pub(crate) mod route_table;
pub(crate) mod routes;
pub(crate) mod semantic_series;
pub(crate) mod series_limits;
pub(crate) mod settings;
pub(crate) mod shard;
mod sync;
pub(crate) mod thread_index;
pub(crate) mod unmatched_warning;

#[cfg(feature = "bound")]
mod bound;
#[cfg(feature = "bound")]
mod exemplar_sink;
#[cfg(not(feature = "bound"))]
mod unbound;
