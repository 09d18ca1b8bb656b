//! Handles each span and event while the program runs.
//!
//! `layer` has the callbacks of `tracing_subscriber`, and passes them to `spans` and `events`. Both read fields with `capture`,
//! which formats values into a `text_buffer`. The state of an open span (`span_state`) is in the table of `open_spans`. For exemplars,
//! `bridge` finds the OpenTelemetry span of a span. `known` says what it has found, and `sampled_spans` keeps the ids. Without the
//! feature, `no_bridge` is in its place.
//! `metered` reports how a future ended, and `instrument_result` reads how a function with `#[instrument(err)]` or
//! `#[instrument(ret)]` ended. `meter_source` makes the meter from what the user passes.

#[cfg(feature = "tracing-opentelemetry")]
pub(crate) mod bridge;
pub(crate) mod capture;
pub(crate) mod events;
pub(crate) mod instrument_result;
#[cfg(feature = "tracing-opentelemetry")]
pub(crate) mod known;
pub(crate) mod layer;
pub(crate) mod meter_source;
pub(crate) mod metered;
#[cfg(not(feature = "tracing-opentelemetry"))]
pub(crate) mod no_bridge;
pub(crate) mod open_spans;
#[cfg(feature = "tracing-opentelemetry")]
pub(crate) mod sampled_spans;
pub(crate) mod span_state;
pub(crate) mod spans;
pub(crate) mod text_buffer;
