//! The public handle: builds an exporter and returns its meters.
//!
//! `settings` checks what the `builder` was given, and `view` applies it in the SDK. `exporter` is the
//! handle that is built, `meters` its meter provider. `service_info` and `state_gauge` create metrics of
//! the service.

pub(crate) mod builder;
pub(crate) mod exporter;
pub(crate) mod meters;
pub mod service_info;
mod settings;
pub(crate) mod state_gauge;
mod view;
