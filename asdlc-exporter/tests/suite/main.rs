//! Behaviour of the exporter through its public API.

mod arbitrary;
mod build;
mod check;
mod desk;
mod families;
mod gate;
mod limits;
mod negotiated;
mod open_metrics;
mod oracle;
mod policy;
#[cfg(feature = "process")]
mod process;
mod readers;
mod registry;
mod scrape;
mod self_metrics;
mod sources;
mod values;
