//! The HTTP side of the exporter.

mod encode;
mod negotiate;
mod pending;
mod queue;
mod request;
mod service;

pub(crate) use queue::Desk;
pub use service::{ScrapeFuture, ScrapeService};
