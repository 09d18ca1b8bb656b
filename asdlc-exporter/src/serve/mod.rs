//! A small HTTP server for services that have none (feature `serve`).
//!
//! ```
//! use asdlc_exporter::{Exporter, serve::Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = Exporter::builder("agent").build()?;
//! let listening = Server::builder()
//!     .with_address(([127, 0, 0, 1], 0).into())
//!     .with_route("/metrics", exporter.scrape_service())
//!     .start()
//!     .await?;
//! tracing::info!("listening on http://{}", listening.address());
//!
//! // When the process is told to stop:
//! listening.stop().await;
//! # Ok(()) }
//! ```
//!
//! Without [`start`](ServerBuilder::start) nothing listens. It speaks HTTP/1.1, and it is made for a
//! few scrapers and probes, not for users:
//!
//! | | |
//! |---|---|
//! | address | 127.0.0.1:9464; a public one without authentication is a warning in the log |
//! | paths | those of the routes; 404 elsewhere |
//! | authentication | none, or a bearer token or user and password: 401 without |
//! | who may connect | everybody, or only some networks: others are cut off before they say a word |
//! | head of a request | within 10 s of the connection or its first byte, 16 KiB and 100 headers (431), URI 2 KiB (414) |
//! | answer | given up when the client takes nothing of it for 5 s, or not all of it in 2 minutes |
//! | idle connections | kept for 5 minutes, so that scrapers find them at the next scrape |
//! | connections | 64 at a time; at the limit, a new connection replaces the one that has been idle or stalled for the longest time |
//! | memory | the answers that clients do not read are given up beyond 64 MiB, the longest unread first |
//! | stop | no new connections; answers in progress have 5 s |

mod auth;
mod builder;
mod client;
mod connection;
mod error;
mod limits;
mod network;
mod routes;
mod socket;

pub use builder::{Listening, Server, ServerBuilder};
pub use error::ServeError;
