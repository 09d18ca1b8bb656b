//! What applications use: the `layer`, and the `builder` that configures it. `check` checks the settings.

pub(crate) mod builder;
pub(crate) mod check;
pub(crate) mod layer;
