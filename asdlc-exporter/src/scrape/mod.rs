//! Responds to scrapes over HTTP.
//!
//! `service` takes the HTTP request, `request` reads it with `negotiate`. `endpoint` applies the
//! exporter's limits and puts a `pending` scrape into the `queue`, whose threads collect and, with
//! `encode`, compress.

mod encode;
mod endpoint;
mod negotiate;
mod pending;
mod queue;
mod request;
mod service;

pub(crate) use endpoint::{ScrapeEndpoint, ScrapeLimits};
pub use service::{ScrapeFuture, ScrapeService};
