//! Writes families in a `format`.
//!
//! `render` iterates over families and series, and `text` writes their lines. `open_metrics` has
//! the lines and the rules that are different in `OpenMetrics`. `number` writes the numbers of both
//! formats.
//!
//! Another format, for example protobuf, needs a variant in `format`, an element in
//! `Renderer::sizes`, a writer next to `text` that `render` calls, and its media type in
//! `scrape::negotiate` and `scrape::service`.

pub(crate) mod chunks;
pub(crate) mod family_writer;
pub(crate) mod format;
mod number;
mod open_metrics;
pub(crate) mod render;
#[cfg(test)]
mod scope_tests;
mod text;
