//! What applications use: the `layer`, and the `builder` that configures it. `server_builder` has the settings that only the layer of a
//! server has, and `tracing_spans` the setting of a feature. `check` checks the settings. `meter_source` makes the meter from what the user passes.

pub(crate) mod builder;
pub(crate) mod check;
pub(crate) mod layer;
pub(crate) mod meter_source;
pub(crate) mod server_builder;
#[cfg(feature = "tracing-opentelemetry")]
mod tracing_spans;
