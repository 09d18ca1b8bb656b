//! The layer and its builder.

pub(crate) mod builder;
pub(crate) mod layer;
