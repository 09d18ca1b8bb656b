//! The connection limit and the timeouts, with their defaults and ranges.

use super::error::{ServeError, ServeErrorKind};
use std::{ops::RangeInclusive, time::Duration};

/// The methods of `ServerBuilder` document the defaults.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) read_timeout: Duration,
    pub(super) write_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) grace_period: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            read_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(5 * 60),
            grace_period: Duration::from_secs(5),
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ServeError> {
        let Self { connections, read_timeout, write_timeout, idle_timeout, grace_period } = *self;
        if !(1..=65_536).contains(&connections) {
            return Err(ServeErrorKind::ConnectionLimit(connections).into());
        }
        let times = [
            ("read timeout", read_timeout, SHORTEST..=HOUR, "1ms to 1h"),
            ("write timeout", write_timeout, SHORTEST..=HOUR, "1ms to 1h"),
            ("idle timeout", idle_timeout, SHORTEST..=DAY, "1ms to 24h"),
            ("grace period", grace_period, Duration::ZERO..=HOUR, "0s to 1h"),
        ];
        for (name, time, range, allowed) in times {
            let range: RangeInclusive<Duration> = range;
            if !range.contains(&time) {
                return Err(ServeErrorKind::Time { name, time, allowed }.into());
            }
        }
        Ok(())
    }
}

const SHORTEST: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
