//! The public handle: builds an exporter and returns its meters.
//!
//! `builder` takes the settings, `settings` checks them, and `view` applies policy and series limit in the
//! SDK. `exporter` is the handle that is built. `meters` is its meter provider, which catches the panics of
//! callbacks. `service_info` and `state_gauge` create metrics of the service.

pub(crate) mod builder;
pub(crate) mod exporter;
pub(crate) mod meters;
pub mod service_info;
mod settings;
pub(crate) mod state_gauge;
mod view;
