//! Reads a registry of the crate `prometheus-client`.
//!
//! Its metrics can only be read as text. So a `registry` is encoded as `OpenMetrics` text, and the
//! `parser` reads this text into families. `sample` reads the parts of a line, and `histogram` puts
//! the samples of a histogram series together. `family` has the result.

mod family;
mod histogram;
mod parser;
mod registry;
mod sample;
#[cfg(test)]
mod tests;

pub(crate) use family::Family;
pub use registry::PrometheusClientRegistry;
pub(crate) use registry::{Gathered, Registry};
