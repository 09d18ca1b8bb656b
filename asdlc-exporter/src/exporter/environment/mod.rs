//! Settings from the environment variables that OpenTelemetry specifies.
//!
//! Nothing reads the environment unless a program asks for it: `resource_from_env`, and the functions
//! `builder_from_env`. `variables` reads one variable, and has the names of those that the core knows.
//! `resource` makes the resource of two of them. `service_link` recognizes a value that Kubernetes writes.
//! `error` says which variable has which wrong value.
//!
//! The adapters `serve` and `config` read variables of their own with the functions of this folder.

pub(crate) mod error;
pub(crate) mod resource;
#[cfg(any(feature = "config", feature = "serve"))]
pub(crate) mod service_link;
pub(crate) mod variables;
