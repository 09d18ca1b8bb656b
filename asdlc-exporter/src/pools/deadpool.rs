//! The pool of the crate deadpool.

use super::{ConnectionPool, ConnectionStatistics};
use deadpool::managed::{Manager, Object, Pool, Status};

impl<M, W> ConnectionPool for Pool<M, W>
where
    M: Manager + 'static,
    W: From<Object<M>> + 'static,
{
    fn statistics(&self) -> ConnectionStatistics {
        let Status { max_size, size, available, waiting } = self.status();
        ConnectionStatistics::default()
            .with_idle(available as u64)
            .with_used(size.saturating_sub(available) as u64)
            .with_max(max_size as u64)
            .with_pending_requests(waiting as u64)
    }
}
