//! The public side: builds an exporter and hands out its meters.
//!
//! `settings` checks what the `builder` was given, `exporter` is the handle that it builds,
//! `meters` protects the SDK from callbacks that panic. `service_info` and `state_gauge` are
//! metrics that an exporter serves about its service.

pub(crate) mod builder;
pub(crate) mod exporter;
pub(crate) mod meters;
pub mod service_info;
pub(crate) mod settings;
pub(crate) mod state_gauge;
