//! The state that all scrape services of one reader share: queue, collector and limits.

use crate::{
    collect::collector::Collector,
    error::ScrapeError,
    scrape::{
        pending::Delivery,
        queue::{InFlight, ScrapeQueue},
        request::ScrapeRequest,
    },
};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

pub(crate) struct ScrapeEndpoint {
    // Declared first, so it is dropped before the collector and the provider.
    queue: ScrapeQueue,
    collector: Arc<Collector>,
    limits: ScrapeLimits,
    built_at: SystemTime,
    /// Keeps the provider of an exporter alive: the SDK shuts it down when the last clone is dropped.
    /// `None` if the user has the provider.
    _provider: Option<SdkMeterProvider>,
}

/// Limits of scrapes over HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScrapeLimits {
    pub(crate) timeout: Duration,
    pub(crate) max_in_flight: usize,
}

impl ScrapeEndpoint {
    pub(crate) fn new(
        collector: Collector,
        limits: ScrapeLimits,
        provider: Option<SdkMeterProvider>,
    ) -> Self {
        let collector = Arc::new(collector);
        Self {
            queue: ScrapeQueue::new(Arc::clone(&collector)),
            collector,
            limits,
            built_at: SystemTime::now(),
            _provider: provider,
        }
    }

    pub(crate) fn collector(&self) -> &Collector {
        &self.collector
    }

    /// When the exporter was built.
    pub(crate) fn built_at(&self) -> SystemTime {
        self.built_at
    }

    /// Queues a scrape. The shorter of the client's timeout and the exporter's timeout applies.
    ///
    /// `needs_length`: see [`Delivery`].
    pub(crate) fn enqueue(
        &self,
        request: ScrapeRequest,
        needs_length: bool,
    ) -> Result<InFlight, ScrapeError> {
        self.collector.check_enabled()?;
        let ScrapeRequest { query, encoding, timeout, is_head } = request;
        let delivery = Delivery { is_head, needs_length };
        let ScrapeLimits { timeout: limit, max_in_flight } = self.limits;
        let timeout = timeout.map_or(limit, |timeout| timeout.min(limit));
        let now = Instant::now();
        let deadline = now.checked_add(timeout).unwrap_or(now + FAR_FUTURE);
        self.queue.enqueue(query, encoding, delivery, deadline, max_in_flight)
    }
}

impl Default for ScrapeLimits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(10), max_in_flight: 128 }
    }
}

/// Used instead of a timeout whose end is too far in the future for an [`Instant`].
const FAR_FUTURE: Duration = Duration::from_secs(365 * 24 * 3600);
