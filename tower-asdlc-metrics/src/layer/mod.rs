//! What applications use: the `layer`, and the `builder` that configures it. `check` checks the settings. `meter_source` makes
//! the meter from what the user passes.

pub(crate) mod builder;
pub(crate) mod check;
pub(crate) mod layer;
pub(crate) mod meter_source;
