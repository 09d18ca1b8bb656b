//! A small HTTP server for services that have none (feature `serve`).
//!
//! ```
//! use asdlc_exporter::{Exporter, serve::Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exporter = Exporter::builder("agent").build()?;
//! let server = Server::builder()
//!     .with_address(([127, 0, 0, 1], 0).into())
//!     .with_route("/metrics", exporter.scrape_service())
//!     .start()
//!     .await?;
//! tracing::info!("listening on http://{}", server.address());
//!
//! // On shutdown:
//! server.stop().await;
//! # Ok(()) }
//! ```
//!
//! Nothing listens before [`start`](ServerBuilder::start). The server speaks HTTP/1.1, and is made for a
//! few scrapers and probes, not for users:
//!
//! | | |
//! |---|---|
//! | address | 127.0.0.1:9464; a public address without authentication is logged as a warning |
//! | paths | those of the routes; 404 for others |
//! | authentication | none, or a bearer token or user and password; 401 without them |
//! | networks | all, or only the allowed ones: connections of others are closed before anything is read |
//! | head of a request | within 10 s of the connection or its first byte, 16 KiB and 100 headers (431), URI 2 KiB (414) |
//! | response | the connection is closed when the client reads nothing of it for 5 s, or not all of it in 2 minutes |
//! | idle connections | kept for 5 minutes, so that a scraper can use its connection for the next scrape |
//! | connections | 64 at a time; at the limit, a new connection replaces the one that has been idle or stalled for the longest time |
//! | memory | at most 64 MiB of responses that clients do not read; beyond, the connection that has been stalled for the longest time is closed |
//! | stop | no new connections; responses in progress have 5 s |

// A connection: builder (binds the address) -> accept (network, connection limit) -> connection
// (HTTP/1.1, its deadline and its end) -> routes (auth, then the service of the path).
// socket reports reads and writes to client, which knows what each connection waits for.

mod accept;
mod auth;
mod builder;
mod client;
mod connection;
mod error;
mod limits;
mod network;
mod routes;
mod socket;

pub use builder::{Server, ServerBuilder};
pub use error::ServeError;
