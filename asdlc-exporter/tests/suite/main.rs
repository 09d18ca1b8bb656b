//! Behaviour of the exporter through its public API.

mod arbitrary;
mod build;
mod check;
mod desk;
mod empty_labels;
mod families;
mod gate;
mod hurried;
mod limits;
mod long;
mod negotiated;
mod numbers;
mod open_metrics;
mod oracle;
mod policy;
#[cfg(feature = "process")]
mod process;
mod readers;
#[cfg(feature = "prometheus")]
mod registry;
mod scrape;
mod self_metrics;
mod sources;
mod values;
mod wakers;
