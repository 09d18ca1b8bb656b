//! Metrics of connection pools, read at each scrape (feature `pools`).
//!
//! ```
//! # #[cfg(feature = "deadpool")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use asdlc_exporter::{Exporter, pools::ConnectionPools};
//! # use deadpool::managed::{Manager, Metrics, Pool, RecycleResult};
//! # struct Database;
//! # impl Manager for Database {
//! #     type Type = ();
//! #     type Error = std::io::Error;
//! #     async fn create(&self) -> std::io::Result<()> { Ok(()) }
//! #     async fn recycle(&self, _: &mut (), _: &Metrics) -> RecycleResult<std::io::Error> { Ok(()) }
//! # }
//! # let manager = Database;
//!
//! let exporter = Exporter::builder("shop").build()?;
//! let pool = Pool::<Database>::builder(manager).max_size(10).build()?;
//! ConnectionPools::new("orders", pool.clone()).register(&exporter)?;
//!
//! let text = exporter.render()?;
//! assert!(text.contains(
//!     "db_client_connection_max{service=\"shop\",db_client_connection_pool_name=\"orders\"} 10\n"
//! ));
//! # Ok(()) }
//! # #[cfg(not(feature = "deadpool"))]
//! # fn main() {}
//! ```
//!
//! | family | type | |
//! |---|---|---|
//! | `db_client_connections` | gauge | connections by `db_client_connection_state`: `idle` or `used`; both together are the size of the pool |
//! | `db_client_connection_max` | gauge | connections that the pool may have |
//! | `db_client_connection_pending_requests` | gauge | requests that wait for a connection |
//! | `db_client_connection_timeouts_total` | counter | requests that timed out |
//! | `db_client_connection_waits_total` | counter | requests that got a connection after they had waited for it |
//! | `db_client_connection_waited_seconds_total` | counter | how long all requests together waited |
//!
//! Every series has the label `db_client_connection_pool_name`, with the name that the program gives to the pool. A
//! pool has series only for what it [knows](ConnectionStatistics). The labels and the names of the maximum, the
//! pending requests and the timeouts are those of OpenTelemetry's [conventions]. Two names differ.
//! The conventions have `db.client.connection.count`, but Prometheus reserves names that end in `_count` for
//! histograms. They have the wait time as a histogram. At a scrape, a pool provides only the sum of all wait times.
//!
//! [conventions]: https://opentelemetry.io/docs/specs/semconv/database/database-metrics/
//!
//! # Which pool knows what
//!
//! Every closure that returns [`ConnectionStatistics`] implements [`ConnectionPool`]. With these features, the pools of
//! other crates implement it too, with the numbers that their stable API has:
//!
//! | feature, pool | count | max | pending requests | timeouts | waits | wait time |
//! |---|---|---|---|---|---|---|
//! | `deadpool`, `deadpool::managed::Pool` | yes (1) | yes | yes (1) | no | no | no |
//! | `bb8`, `bb8::Pool` | yes | yes | no (2) | yes | yes | no (3) |
//! | `sqlx`, `sqlx::Pool` | yes (4) | yes | no | no | no | no |
//!
//! 1. deadpool counts a request as waiting until it has its connection, also while a new connection is opened for it.
//!    The number of requests and that of connections are read one after the other, so under load they may be off
//!    by those that change meanwhile.
//! 2. If a request is cancelled, bb8 counts it as pending forever.
//! 3. If a request has to wait several times, because another one takes the connection that woke it, bb8 adds only
//!    its last wait.
//! 4. For sqlx, every connection that is not idle is `used`, also while it is being opened or closed. The size and the
//!    number of idle connections are read one after the other, as in 1.

// connection_pool (the trait; what a pool knows) -> connection_pools (the instruments). bb8, deadpool and sqlx implement the
// trait. error is that of connection_pools.

#[cfg(feature = "bb8")]
mod bb8;
mod connection_pool;
mod connection_pools;
#[cfg(feature = "deadpool")]
mod deadpool;
mod error;
#[cfg(feature = "sqlx")]
mod sqlx;

pub use connection_pool::{ConnectionPool, ConnectionStatistics};
pub use connection_pools::ConnectionPools;
pub use error::PoolSetupError;
