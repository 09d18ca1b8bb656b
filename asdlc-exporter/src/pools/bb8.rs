//! The pool of the crate bb8.

use super::{ConnectionPool, ConnectionStatistics};
use bb8::{ManageConnection, Pool};

/// Without pending requests: `Statistics::pending_gets` counts a request that was cancelled for ever. Without the wait time:
/// `get_wait_time` has only the last wait of a request.
impl<M: ManageConnection> ConnectionPool for Pool<M> {
    fn statistics(&self) -> ConnectionStatistics {
        // Both numbers are read under one lock of the pool.
        let state = self.state();
        ConnectionStatistics::default()
            .with_idle(state.idle_connections.into())
            .with_used(state.connections.saturating_sub(state.idle_connections).into())
            .with_max(self.config().max_size.into())
            .with_timeouts(state.statistics.get_timed_out)
            .with_waits(state.statistics.get_waited)
    }
}
