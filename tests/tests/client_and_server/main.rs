//! A client layer and a server layer with both conventions, on the two ends of real connections: each request is in the numbers of
//! both conventions and of both sides, with the ending that its client saw.

mod agreement;
mod client;
mod grpc_client;
mod hostile;
mod measured;
mod nested;
mod pairs;
mod plan;
mod run;
mod seen;
mod server;
mod translation;
