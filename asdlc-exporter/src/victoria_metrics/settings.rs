//! The limits of a proxy, their defaults and their ranges.

use super::error::{QueryProxyError, QueryProxyErrorKind};
use std::time::Duration;

/// The methods of `QueryProxyBuilder` document them.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) timeout: Duration,
    pub(crate) max_points: u32,
    pub(crate) max_in_flight: usize,
    pub(crate) max_response_bytes: u64,
    pub(crate) services_window: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            max_points: 11_000,
            max_in_flight: 16,
            max_response_bytes: 64 << 20,
            services_window: Duration::from_secs(60 * 60),
        }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), QueryProxyError> {
        let Self { timeout, max_points, max_in_flight, max_response_bytes, services_window } =
            *self;
        if !(Duration::from_millis(100)..=HOUR).contains(&timeout) {
            return Err(QueryProxyErrorKind::Timeout(timeout).into());
        }
        if !(2..=30_000).contains(&max_points) {
            return Err(QueryProxyErrorKind::MaxPoints(max_points.into()).into());
        }
        if !(1..=1024).contains(&max_in_flight) {
            return Err(QueryProxyErrorKind::MaxInFlight(max_in_flight as u64).into());
        }
        if max_response_bytes < 1024 {
            return Err(QueryProxyErrorKind::MaxResponseBytes(max_response_bytes).into());
        }
        if !(Duration::from_secs(60)..=HOUR * 24 * 365).contains(&services_window) {
            return Err(QueryProxyErrorKind::ServicesWindow(services_window).into());
        }
        Ok(())
    }
}

const HOUR: Duration = Duration::from_secs(60 * 60);
