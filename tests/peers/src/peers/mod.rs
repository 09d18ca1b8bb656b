//! The layers, one in a file: `layer` sets it up as its documentation says, and comes with what it has recorded.
//!
//! Those that read the global meter provider read it once, in there.

pub mod axum_otel_metrics;
pub mod axum_prometheus;
mod hand_written;
pub mod measured;
pub mod official;
pub mod ours;
pub mod ours_client;
pub mod prometheus_client;
pub mod tower_otel;
pub mod tower_otel_http_metrics;
