//! Writes families in a `format`.
//!
//! `render` iterates over families and series, and passes them to a `family_writer`: `text` writes the
//! lines of the text formats, and `protobuf` the messages of the protobuf format. `open_metrics` has the
//! lines and the rules that are different in `OpenMetrics`. `exemplars` finds the exemplars of buckets.
//! `number` and `bound_texts` write the numbers of the text formats. The writers write into the buffer of `chunks`.
//!
//! Another format needs a variant in `format`, a writer next to `text` that `render` calls, and its media
//! type in `scrape::negotiate` and `scrape::content_type`.

mod bound_texts;
pub(crate) mod chunks;
mod exemplars;
pub(crate) mod family_writer;
pub(crate) mod format;
mod number;
pub(crate) mod open_metrics;
mod protobuf;
pub(crate) mod render;
#[cfg(test)]
mod scope_tests;
pub(crate) mod text;
