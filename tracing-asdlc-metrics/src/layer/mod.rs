//! Handles each span and event while the program runs.
//!
//! `layer` has the callbacks of `tracing_subscriber`, and passes them to `spans` and `events`. Both read fields with `capture`,
//! which formats values into a `text_buffer`. The state of an open span (`span_state`) is in the table of `open_spans`.
//! `metered` reports how a future ended, and `instrument_result` reads how a function with `#[instrument(err)]` or
//! `#[instrument(ret)]` ended. `meter_source` makes the meter from what the user passes.

pub(crate) mod capture;
pub(crate) mod events;
pub(crate) mod instrument_result;
pub(crate) mod layer;
pub(crate) mod meter_source;
pub(crate) mod metered;
pub(crate) mod open_spans;
pub(crate) mod span_state;
pub(crate) mod spans;
pub(crate) mod text_buffer;
