//! The trait of a pool, and what a pool may tell.

use std::{sync::Arc, time::Duration};

/// A connection pool that has statistics. Every `Fn() -> ConnectionStatistics` is one, and so are the pools of the crates
/// that the [module](super) lists.
///
/// ```
/// use asdlc_exporter::pools::{ConnectionPool, ConnectionStatistics};
///
/// struct Connections {
///     idle: std::sync::Mutex<Vec<std::net::TcpStream>>,
/// }
///
/// impl ConnectionPool for Connections {
///     fn statistics(&self) -> ConnectionStatistics {
///         match self.idle.lock() {
///             Ok(idle) => ConnectionStatistics::default().with_idle(idle.len() as u64),
///             Err(_) => ConnectionStatistics::default(),
///         }
///     }
/// }
/// ```
pub trait ConnectionPool: Send + Sync + 'static {
    /// The current statistics.
    ///
    /// Called once in each collection, on the collecting thread. It should read numbers and must not wait. It must not create
    /// instruments or collect metrics: that would deadlock. If it panics, this pool's series are missing in the
    /// scrape, and a warning is logged.
    fn statistics(&self) -> ConnectionStatistics;
}

impl<F: Fn() -> ConnectionStatistics + Send + Sync + 'static> ConnectionPool for F {
    fn statistics(&self) -> ConnectionStatistics {
        self()
    }
}

impl<P: ConnectionPool + ?Sized> ConnectionPool for Arc<P> {
    fn statistics(&self) -> ConnectionStatistics {
        (**self).statistics()
    }
}

/// What a pool knows. By default nothing. What a pool does not know has no series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionStatistics {
    pub(super) idle: Option<u64>,
    pub(super) used: Option<u64>,
    pub(super) max: Option<u64>,
    pub(super) pending_requests: Option<u64>,
    pub(super) timeouts: Option<u64>,
    pub(super) waits: Option<u64>,
    pub(super) wait_time: Option<Duration>,
}

impl ConnectionStatistics {
    /// The number of connections that nobody uses now.
    #[must_use]
    pub fn with_idle(mut self, connections: u64) -> Self {
        self.idle = Some(connections);
        self
    }

    /// The number of connections in use now. Together with the [idle](Self::with_idle) ones, it is the size of the pool.
    #[must_use]
    pub fn with_used(mut self, connections: u64) -> Self {
        self.used = Some(connections);
        self
    }

    /// The number of connections that the pool may have. If it equals the number of [used](Self::with_used) ones, the next
    /// request has to wait.
    #[must_use]
    pub fn with_max(mut self, connections: u64) -> Self {
        self.max = Some(connections);
        self
    }

    /// The number of requests for a connection that wait now.
    #[must_use]
    pub fn with_pending_requests(mut self, requests: u64) -> Self {
        self.pending_requests = Some(requests);
        self
    }

    /// How many requests for a connection timed out since the pool was created.
    #[must_use]
    pub fn with_timeouts(mut self, requests: u64) -> Self {
        self.timeouts = Some(requests);
        self
    }

    /// How many requests got a connection after they had waited for it, since the pool was created.
    #[must_use]
    pub fn with_waits(mut self, requests: u64) -> Self {
        self.waits = Some(requests);
        self
    }

    /// How long all requests together waited for a connection, since the pool was created.
    #[must_use]
    pub fn with_wait_time(mut self, time: Duration) -> Self {
        self.wait_time = Some(time);
        self
    }
}
