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
//! Nothing listens before [`start`](ServerBuilder::start). The server supports HTTP/1.1. It is made for a
//! few scrapers and probes, not for users. These are its limits and their defaults:
//!
//! | what | limit | beyond it |
//! |---|---|---|
//! | address | 127.0.0.1:9464: only programs on this machine can connect; [`Server::builder_from_env`] reads it from the environment | a warning is logged if the address is not a loopback address and there is no authentication |
//! | client networks | all; after [`with_allowed_network`](ServerBuilder::with_allowed_network) only the allowed ones | the connection is closed before anything is read |
//! | authentication | none; or [bearer tokens](ServerBuilder::with_bearer_token), or [users with passwords](ServerBuilder::with_basic_auth) | 401 |
//! | paths | those of the routes | 404 |
//! | first byte of a request on a new connection | 10 s | the connection is closed |
//! | head of a request, from its first byte | 10 s | the connection is closed |
//! | size of the head | 16 KiB, 100 headers; URI 2 KiB | 431; 414 |
//! | time in which the client reads nothing of the response | 5 s | the connection is closed |
//! | time of the whole response | 2 minutes | the connection is closed |
//! | idle time of a connection, so that a scraper can reuse it for the next scrape | 5 minutes | the connection is closed |
//! | connections | 64 | the one that has been idle or stalled for the longest time is closed for the new one |
//! | responses that clients do not read | 64 MiB | the connection that has been stalled for the longest time is closed |
//! | responses in progress when the server stops | 5 s | their connections are closed |

// Start: builder (checks limits and network, resolves and binds the address) -> accept.
// environment reads the address from variables.
// A connection: accept (allowed networks, connection limit) -> connection (HTTP/1.1, until its
// deadline or its end) -> routes (auth, then the service of the path).
// client has the state and the deadline of each connection. socket reports reads and writes to it.

mod accept;
mod address;
mod auth;
mod builder;
mod client;
mod connection;
mod environment;
mod error;
mod limits;
mod network;
mod routes;
mod socket;

pub use builder::{Server, ServerBuilder};
pub use error::ServeError;
