//! Exemplars from a request to a real Prometheus, and from a span to the exposition.

mod servers;
mod slow_requests;
mod spans;
mod traced;
mod two_threads;
