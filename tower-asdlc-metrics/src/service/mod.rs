//! What wraps the inner service: the service, its response future, the bodies, and the exchange that they share.

pub(crate) mod base64;
pub(crate) mod body_length;
pub(crate) mod exchange;
pub(crate) mod future;
pub(crate) mod grpc_web;
pub(crate) mod optional_parts;
pub(crate) mod request_body;
pub(crate) mod response_body;
pub(crate) mod service;
pub(crate) mod upgrade;
