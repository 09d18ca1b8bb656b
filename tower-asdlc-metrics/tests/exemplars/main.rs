//! Exemplars: each measurement belongs to the span of its request, or to none.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod allocations;
mod batches;
#[path = "../common/mod.rs"]
mod common;
mod endings;
mod meter;
mod metrics;
mod requests;
mod servers;
mod sources;
mod tracing_spans;
mod two_threads;
