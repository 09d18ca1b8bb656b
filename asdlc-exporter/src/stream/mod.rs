//! Gives an exposition to its clients in chunks, while it is written.
//!
//! The `window` has the chunks that clients have not read yet, and limits their memory: the thread that writes
//! waits until clients have read. If a client does not read, the window gives it up: its stream ends with an
//! error. `state` has the data of the window, and `client` the data of one client. A client takes its chunks
//! from a `reader`.

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
