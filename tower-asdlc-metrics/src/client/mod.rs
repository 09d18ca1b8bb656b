//! The layer for the requests that an application sends.
//!
//! `layer`, `builder`, `service`, `future` and `response_body` are the parts of a Tower layer. They pass each request to an
//! [`Exchange`](crate::service::exchange::Exchange), as the layer for servers does. `labels::client_error` decides what an error
//! of the inner service or of a response's body was.

pub(crate) mod builder;
pub(crate) mod future;
pub(crate) mod layer;
pub(crate) mod response_body;
pub(crate) mod service;
