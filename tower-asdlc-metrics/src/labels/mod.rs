//! The values of the labels. Those of a request come from its head (`request_labels`), those of the way the exchange ended come
//! from its `ending`.
//!
//! A request passes `exclusions`, `methods`, `protocol`, `endpoint` (`matched_route`, `grpc_methods`, `tonic_method`) and
//! `user_label`, which all read its `request_head`. A response can set a `response_label`. When the exchange has ended, its
//! `outcome` and `grpc_status` are parts of its `ending`. From the ending, `prometheus_labels` and `semantic_labels` derive the
//! labels of each convention.
//!
//! `names`, `conventions` and `attributes` have the names, and `side` is server or client. `values` has the values that replace
//! other values, such as `_OTHER`. `label_key` checks the key of a label. `file_descriptors` makes the list of `grpc_methods`,
//! and `unlisted_methods` logs methods that it lacks. `client_error` decides what an error of a client was. `catch_panic` calls
//! functions of the application.

pub(crate) mod attributes;
pub(crate) mod catch_panic;
pub(crate) mod client_error;
pub(crate) mod conventions;
pub(crate) mod ending;
pub(crate) mod endpoint;
pub(crate) mod exclusions;
#[cfg(feature = "tonic")]
pub(crate) mod file_descriptors;
pub(crate) mod grpc_methods;
pub(crate) mod grpc_status;
pub(crate) mod label_key;
#[cfg(feature = "axum")]
pub(crate) mod matched_route;
pub(crate) mod methods;
pub(crate) mod names;
pub(crate) mod outcome;
pub(crate) mod prometheus_labels;
pub(crate) mod protocol;
pub(crate) mod request_head;
pub(crate) mod request_labels;
pub(crate) mod response_label;
pub(crate) mod semantic_labels;
pub(crate) mod side;
#[cfg(feature = "tonic")]
pub(crate) mod tonic_method;
pub(crate) mod unlisted_methods;
pub(crate) mod user_label;
pub(crate) mod values;
