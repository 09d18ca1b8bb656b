//! The pool of the crate sqlx.

use super::{ConnectionPool, ConnectionStatistics};
use sqlx::{Database, Pool};

impl<DB: Database> ConnectionPool for Pool<DB> {
    fn statistics(&self) -> ConnectionStatistics {
        // The idle connections first: a connection that is opened meanwhile is then in use, as it is.
        let idle = idle(self.num_idle());
        let size = u64::from(self.size());
        let idle = idle.min(size);
        ConnectionStatistics::default()
            .with_idle(idle)
            .with_used(size - idle)
            .with_max(self.options().get_max_connections().into())
    }
}

/// The pool hands out a connection that comes back before it counts it as idle. So the number may be below 0 for a moment, as
/// an unsigned number that has wrapped around.
fn idle(counted: usize) -> u64 {
    isize::try_from(counted).map_or(0, |connections| connections as u64)
}

#[cfg(test)]
mod tests {
    use super::idle;

    //
    #[test]
    fn a_count_below_0_is_0() {
        assert_eq!([idle(0), idle(7), idle(usize::MAX), idle(usize::MAX - 1)], [0, 7, 0, 0]);
    }
}
