//! Behaviour of the exporter through its public API.

mod arbitrary;
mod build;
mod check;
mod client_timeout;
mod empty_labels;
mod environment;
mod families;
mod gate;
mod idle;
mod limits;
mod negotiation;
mod numbers;
mod open_metrics;
mod policy;
#[cfg(feature = "process")]
mod process;
mod prometheus_reader;
mod queue;
mod readers;
mod reference;
#[cfg(feature = "prometheus")]
mod registry;
mod scopes;
mod scrape;
mod self_metrics;
mod sources;
mod truncation;
mod values;
mod wakers;
