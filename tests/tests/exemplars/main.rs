//! Exemplars from a request to a real Prometheus.

mod servers;
mod slow_requests;
mod traced;
mod two_threads;
