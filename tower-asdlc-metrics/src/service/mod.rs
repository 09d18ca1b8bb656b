//! Around the inner service: the service, its response future and the bodies observe a request from its head to its end.
//!
//! `service` starts an `exchange` and calls the inner service (`inner_call`). `future` passes the response to the exchange, and
//! `response_body` passes the frames of the response's body to it. The exchange decides when and how the request has ended
//! (`body_length`). `open_exchange` has it until then, and records it once. If the client leaves, the exchange is dropped before its
//! end, and that is recorded. If the inner service panics, `panic_guard` ends the exchange.
//!
//! The exchange reads the gRPC status from headers and trailers; `grpc_web` reads it from the body (`base64` for text).
//! `optional_parts` has what only some exchanges need: among others `request_body` and `upgrade`. `request_span` (with
//! `traceparent`) finds the span of a request, for exemplars.

pub(crate) mod base64;
pub(crate) mod body_length;
pub(crate) mod exchange;
pub(crate) mod future;
pub(crate) mod grpc_web;
pub(crate) mod inner_call;
pub(crate) mod open_exchange;
pub(crate) mod optional_parts;
pub(crate) mod panic_guard;
pub(crate) mod request_body;
mod request_span;
pub(crate) mod response_body;
pub(crate) mod service;
mod traceparent;
pub(crate) mod upgrade;
