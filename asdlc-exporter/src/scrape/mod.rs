//! The HTTP side of the exporter.

mod service;

pub use service::{ScrapeFuture, ScrapeService};
