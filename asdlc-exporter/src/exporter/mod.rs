//! The type `Exporter`, its builder and its meter provider.
//!
//! `builder` takes the settings, and `settings` checks them. `view` applies the policy and the
//! series limit in the SDK. `exporter` is the type that the builder builds. `meters` is its meter
//! provider, which catches the panics of callbacks. `service_info` creates metrics of the service:
//! version, build, uptime and starts. `state_gauge` creates a gauge for the state of an enum.
//! `environment` reads settings from the variables of OpenTelemetry.

pub(crate) mod builder;
pub(crate) mod environment;
pub(crate) mod exporter;
pub(crate) mod meters;
pub mod service_info;
mod settings;
pub(crate) mod state_gauge;
mod view;
