//! The values of the labels. The endpoint and the method come from the head of the request; `status`, `grpc_status` and
//! `error_type` come from the way the exchange ended.
//!
//! A request passes `exclusions`, `methods`, `endpoint` (`matched_route`, `grpc_methods`, `tonic_method`) and `user_label`, which
//! all read its `request_head`. `file_descriptors` makes the list of `grpc_methods`; `unlisted_methods` logs what it lacks. When it has ended, its `outcome` and `grpc_status` become `outcome_labels`. `values` has the values that
//! replace other values, such as `_OTHER`. `label_key` checks the key of a user label. `catch_panic` calls functions of the
//! application.

pub(crate) mod catch_panic;
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
pub(crate) mod outcome;
pub(crate) mod outcome_labels;
pub(crate) mod request_head;
#[cfg(feature = "tonic")]
pub(crate) mod tonic_method;
#[cfg_attr(not(test), expect(dead_code, reason = "the exchange does not use it yet"))]
pub(crate) mod unlisted_methods;
pub(crate) mod user_label;
pub(crate) mod values;
