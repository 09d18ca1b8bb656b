//! The HTTP side of the exporter.

mod desk;
mod encode;
mod negotiate;
mod request;
mod service;
mod ticket;

pub(crate) use desk::Desk;
pub use service::{ScrapeFuture, ScrapeService};
