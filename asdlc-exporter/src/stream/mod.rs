//! Gives an exposition to its clients in chunks, while it is written.
//!
//! The `window` has the chunks that clients have not read yet, and bounds their memory: the thread that
//! writes waits for room. It gives up clients that do not read. The `state` is what it knows, and `client` what it knows about one of them. A `reader` is the end
//! where one client takes its chunks.

mod client;
mod reader;
mod state;
mod window;
#[cfg(test)]
mod window_tests;

pub(crate) use client::Failure;
pub(crate) use reader::StreamReader;
pub(crate) use state::ClientId;
pub(crate) use window::{Waiting, Window};
