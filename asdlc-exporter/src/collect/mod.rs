//! Collects the metrics of a scrape.
//!
//! `collector` is the entry: it refreshes the `sources`, makes the `reader` collect, and passes the
//! data to the renderer. A `source_run` is one run of all sources with its time limit.
//! `self_metrics` counts what the exporter does. `shared_read` serves adapters: several callbacks
//! share one reading.

pub(crate) mod collector;
pub(crate) mod reader;
pub(crate) mod self_metrics;
pub(crate) mod shared_read;
pub(crate) mod source;
pub(crate) mod source_run;
pub(crate) mod sources;
