//! Whether Redis is reachable, and how long its commands take (feature `redis`).
//!
//! ```
//! use asdlc_exporter::{Exporter, redis::{RedisMetrics, RedisProbe}};
//! use redis::AsyncCommands as _;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "redis://127.0.0.1:6379";
//! let exporter = Exporter::builder("shop").with_namespace("asdlc").build()?;
//!
//! // asdlc_redis_connection_up: 1 or 0, from a PING at each scrape.
//! let probe = RedisProbe::open(url)?.register(&exporter);
//!
//! // asdlc_redis_latency_seconds{operation}, asdlc_redis_errors_total{operation,error_type}
//! let metrics = RedisMetrics::new(&exporter);
//! let client = redis::Client::open(url)?;
//! let mut connection = metrics.instrument(client.get_connection_manager().await?);
//! let _: () = connection.set("order:7", "paid").await?;
//! # Ok(()) }
//! ```
//!
//! It needs Tokio, and version 1.2 or later of the crate `redis` (1.x).
//!
//! # Labels
//!
//! `operation` is the name of the command as Redis lists it (`GET`, `XADD`, `JSON.SET`), in
//! capitals and without its subcommand. It is `_OTHER` for a name that is not in the list. A
//! pipeline counts as one command: its `operation` is `PIPELINE`, or `MULTI` if the pipeline is
//! atomic.
//!
//! `error_type` is one of these:
//!
//! | `error_type` | |
//! |---|---|
//! | `authentication` | no password, or a wrong one |
//! | `cancelled` | the caller dropped the command; for a probe: its runtime has stopped |
//! | `client` | the crate `redis` refused to send the command |
//! | `cluster` | the slot has moved, the keys are in different slots, or a part of the cluster or the master of a replica is down |
//! | `connection` | the connection ended, or could not be opened for another reason than those below |
//! | `loading` | the server is starting and loads its data |
//! | `no_script` | the server does not have the script; the crate `redis` then loads it and tries again |
//! | `out_of_memory` | the server has reached its memory limit |
//! | `permission` | an access rule forbids the command |
//! | `protocol` | the response is not in the protocol of Redis |
//! | `read_only` | a write to a replica |
//! | `refused` | the connection was refused |
//! | `server` | any other error of the server |
//! | `timeout` | no response in time |
//! | `transaction` | the server discarded a transaction |
//! | `wrong_type` | the key has a value of another type |
//!
//! No label, log line or error of this module contains a key, a value, a URL or an error message of the
//! server.
//!
//! # Cost
//!
//! Recording a command or a pipeline takes 0.1 to 0.35 µs: it reads the clock twice, records into a
//! histogram, and boxes the future, as `ConnectionLike` requires. With Redis on the same machine:
//!
//! | | time of a command | share of recording |
//! |---|---|---|
//! | one `GET` after the other | 7 to 19 µs | 1.6 to 2.5 % |
//! | pipelines of 16 commands | | 0.8 to 1.8 % |
//! | a thread that only sends `GET`s, 16 at the same time | 1.4 to 2.9 µs | 6 to 10 % |
//!
//! In the last row, 3 to 5 % are for reading the clock and boxing the future. Every latency
//! measurement needs both. Over a network a command takes longer, so the share is smaller.
//! `benches/redis.rs` measures it.

// Commands: connection (wraps the user's connection) -> operation, error_type (the labels) ->
// metrics (the instruments).
// Probe: probe (the public type, its gauges, the source that runs at a scrape) -> probe_connection
// (sends the PING, which all callers share, and decides whether Redis is up).
// check makes the probe a readiness check.

#[cfg(feature = "health")]
mod check;
mod connection;
mod error;
mod error_type;
mod metrics;
mod operation;
mod probe;
mod probe_connection;

pub use connection::InstrumentedConnection;
pub use error::RedisSetupError;
pub use metrics::RedisMetrics;
pub use probe::RedisProbe;
