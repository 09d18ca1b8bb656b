//! Responds to scrapes over HTTP.
//!
//! `service` takes the HTTP request, `request` reads it with `negotiate`, and `content_type` has the header for
//! the chosen format. `endpoint` applies the exporter's limits and puts a `pending` scrape into the `queue`.
//! The queue coalesces scrapes: its
//! collecting thread serves all scrapes that wait as one `batch`, from one collection. Its deadline thread
//! fails scrapes that are late, for example when a callback hangs. `encode` compresses the text. The
//! `body` of a response is the whole text. Or it takes the chunks that the `stream_sink` puts into the window
//! of `crate::stream`.

mod batch;
mod body;
mod content_type;
mod encode;
mod endpoint;
mod negotiate;
mod pending;
mod queue;
mod request;
mod service;
mod stream_sink;

pub use body::ScrapeBody;
pub(crate) use endpoint::{ScrapeEndpoint, ScrapeLimits};
pub use service::{ScrapeFuture, ScrapeService};
