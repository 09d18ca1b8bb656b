//! Around the inner service: the service, its response future and the bodies observe a request from its head to its end.
//!
//! `service` starts an `exchange` and calls the inner service. `future` passes the response to the exchange, and `response_body`
//! passes it the frames of the response's body. The exchange decides when and how the request has ended (`body_length`), and
//! records it once. If the exchange is dropped before, the client has left; if the inner service panics, `panic_guard` ends it.
//!
//! The exchange reads the gRPC status from headers and trailers; `grpc_web` reads it from the body. `request_body` and `upgrade`
//! are optional parts of an exchange.

pub(crate) mod base64;
pub(crate) mod body_length;
pub(crate) mod exchange;
pub(crate) mod future;
pub(crate) mod grpc_web;
pub(crate) mod inner_call;
pub(crate) mod optional_parts;
pub(crate) mod panic_guard;
pub(crate) mod request_body;
pub(crate) mod response_body;
pub(crate) mod service;
pub(crate) mod upgrade;
