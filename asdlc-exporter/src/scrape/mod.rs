//! Responds to scrapes over HTTP.
//!
//! `service` takes the HTTP request, `request` reads it with `negotiate`, and
//! `content_type` names what was chosen. `endpoint` applies the
//! exporter's limits and puts a `pending` scrape into the `queue`. The queue coalesces scrapes: its
//! collecting thread serves all scrapes that wait as one `batch`, from one collection. Its deadline thread
//! fails scrapes that are late, for example when a callback hangs. `encode` compresses the text.

mod batch;
mod content_type;
mod encode;
mod endpoint;
mod negotiate;
mod pending;
mod queue;
mod request;
mod service;

pub(crate) use endpoint::{ScrapeEndpoint, ScrapeLimits};
pub use service::{ScrapeFuture, ScrapeService};
