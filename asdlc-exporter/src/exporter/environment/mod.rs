//! Settings from the environment variables that OpenTelemetry specifies.
//!
//! Only `resource_from_env` and the functions `builder_from_env` read them, when a program calls these.
//! `variables` reads one variable, and knows the values of a closed set. `resource` makes a resource of two
//! variables. `service_link` recognizes a value that Kubernetes writes. `error` says which variable has
//! which wrong value.
//!
//! The adapters `serve` and `config` read variables of their own with the functions of this folder.

pub(crate) mod error;
pub(crate) mod resource;
#[cfg(any(feature = "config", feature = "serve"))]
pub(crate) mod service_link;
pub(crate) mod variables;
