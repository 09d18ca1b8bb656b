//! Responds to scrapes over HTTP.
//!
//! `service` takes the HTTP request, `request` reads it with `negotiate`. `endpoint` applies the
//! exporter's limits and puts a `pending` scrape into the `queue`. Its threads serve all scrapes that wait
//! as one `batch`: they collect once, and compress with `encode`.

mod batch;
mod encode;
mod endpoint;
mod negotiate;
mod pending;
mod queue;
mod request;
mod service;

pub(crate) use endpoint::{ScrapeEndpoint, ScrapeLimits};
pub use service::{ScrapeFuture, ScrapeService};
