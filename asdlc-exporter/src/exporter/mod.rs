//! What users build: a `PrometheusReader` for their own meter provider, or an `Exporter`, which is a
//! meter provider with such a reader.
//!
//! `reader_builder` takes the settings of a reader, `settings` checks them, and `prometheus_reader` is
//! the reader. `builder` and `exporter` are the same for an exporter. `view` applies the policy and
//! the series limit in the SDK of an exporter. `meters` guards the meters of a provider: it catches
//! the panics of callbacks, and records exemplars with the settings of `exemplars`. `service_info` creates metrics of the service: version, build, uptime and
//! starts. `state_gauge` creates a gauge for the state of an enum. `environment` reads settings from the
//! variables of OpenTelemetry.

pub(crate) mod builder;
pub(crate) mod environment;
mod exemplars;
pub(crate) mod exporter;
pub(crate) mod meters;
pub(crate) mod prometheus_reader;
pub(crate) mod reader_builder;
pub mod service_info;
mod settings;
pub(crate) mod state_gauge;
mod view;
