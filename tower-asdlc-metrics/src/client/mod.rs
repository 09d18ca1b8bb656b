//! The layer for the requests that an application sends.
//!
//! `error_type` decides what an error of the inner service or of a response's body was; `hyper_util_errors` and `tonic_errors`
//! add the types of these crates.

#![cfg_attr(
    any(not(test), all(feature = "hyper-util", not(feature = "tonic"))),
    expect(dead_code, reason = "the client layer does not exist yet")
)]

pub(crate) mod error_type;
#[cfg(feature = "hyper-util")]
pub(crate) mod hyper_util_errors;
#[cfg(test)]
#[cfg(feature = "tonic")]
mod real_errors;
#[cfg(feature = "tonic")]
pub(crate) mod tonic_errors;
