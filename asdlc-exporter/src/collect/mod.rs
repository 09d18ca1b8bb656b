//! Collects the metrics of a scrape.
//!
//! `collector` is the entry point: it refreshes the `sources`, makes the `reader` collect, and
//! passes the data to the renderer. `source` has the public trait `Source`. A `source_run` is one
//! run of all sources, with a time limit for sources that hang. `self_metrics` counts what the
//! exporter does. `shared_read` is used by adapters such as `process` and `workers`: several
//! callbacks share one reading.
//!
//! The `reader` runs the callbacks. `exporter::meters` catches their panics. `scrape::queue` fails the
//! scrapes that wait when a callback hangs.

pub(crate) mod collector;
pub(crate) mod reader;
pub(crate) mod self_metrics;
pub(crate) mod shared_read;
pub(crate) mod source;
pub(crate) mod source_run;
pub(crate) mod sources;
