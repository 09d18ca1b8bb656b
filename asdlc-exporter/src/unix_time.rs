//! A moment by the clock of the system.

use std::time::{Duration, SystemTime};

/// Nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct UnixTime(pub(crate) u64);

impl UnixTime {
    pub(crate) fn now() -> Self {
        Self::from(SystemTime::now())
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanoseconds))
    }

    pub(crate) fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(Self::default().plus(duration).0))
    }
}

/// A time before 1970 becomes 1970.
impl From<SystemTime> for UnixTime {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Faster than in 128 bits, and this is called for sampled measurements.
        let seconds = since.as_secs().saturating_mul(1_000_000_000);
        Self(seconds.saturating_add(since.subsec_nanos().into()))
    }
}
