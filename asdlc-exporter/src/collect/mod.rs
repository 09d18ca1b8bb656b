//! Collects the metrics of one scrape.
//!
//! A `source` is refreshed first, in a `source_run`; then `reader` makes the SDK run the callbacks
//! and aggregate. `extra_reader` wraps readers that push, `shared_read` lets several callbacks share
//! one reading, `self_metrics` are the exporter's own.

pub(crate) mod extra_reader;
pub(crate) mod reader;
pub(crate) mod self_metrics;
pub(crate) mod shared_read;
pub(crate) mod source;
pub(crate) mod source_run;
