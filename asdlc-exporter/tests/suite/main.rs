//! Behaviour of the exporter through its public API.

mod arbitrary;
mod build;
mod check;
mod families;
#[cfg(feature = "process")]
mod process;
mod scrape;
mod values;
