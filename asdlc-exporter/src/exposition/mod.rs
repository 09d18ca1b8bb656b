//! Writes families as text: `render` walks families and series, `text` writes their lines,
//! `open_metrics` has what that format writes in another way, `escape` the escapes of both.

pub(crate) mod escape;
pub(crate) mod open_metrics;
pub(crate) mod render;
pub(crate) mod text;
