//! The gRPC example as a process: calls of all four kinds over HTTP/2, and `/metrics` on the same port.

mod calls;
mod client;
mod client_layer;
mod configuration;
mod example_client;
mod outcomes;
mod services;
mod shutdown;
