//! The values of the labels, from the request's head and from the outcome.

pub(crate) mod callback;
pub(crate) mod endpoint;
pub(crate) mod grpc_methods;
pub(crate) mod grpc_status;
#[cfg(feature = "axum")]
pub(crate) mod matched_route;
pub(crate) mod methods;
pub(crate) mod outcome;
pub(crate) mod user_label;
