//! The layer for the requests that an application sends.
//!
//! `layer`, `builder`, `service`, `future` and `response_body` are those of a Tower layer. They pass each request to an
//! [`Exchange`](crate::service::exchange::Exchange), as the layer of a server does. `error_type` decides what an error of the inner
//! service or of a response's body was; `hyper_util_errors` and `tonic_errors` add the types of these crates.

pub(crate) mod builder;
pub(crate) mod error_type;
pub(crate) mod future;
#[cfg(feature = "hyper-util")]
pub(crate) mod hyper_util_errors;
pub(crate) mod layer;
#[cfg(test)]
#[cfg(feature = "tonic")]
mod real_errors;
pub(crate) mod response_body;
pub(crate) mod service;
#[cfg(feature = "tonic")]
pub(crate) mod tonic_errors;
