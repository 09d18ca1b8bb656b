//! A warning for applications in which no request matches a route, because the layer is in the wrong place.

use crate::labels::values::{OTHER, UNMATCHED};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Counts successful requests that matched no route, until it is known whether any request matches one.
#[derive(Debug, Default)]
pub(crate) struct UnmatchedWarning {
    successes: AtomicU32,
    is_decided: AtomicBool,
}

/// Whether this endpoint stands for all requests without a route of their own.
pub(crate) fn is_unmatched(endpoint: &str) -> bool {
    [UNMATCHED, OTHER].contains(&endpoint)
}

impl UnmatchedWarning {
    /// Counts a successful request that matched no route.
    #[inline]
    pub(crate) fn count_success(&self, has_matched_route: impl Fn() -> bool) {
        if !self.is_decided.load(Ordering::Relaxed) {
            self.count_undecided(has_matched_route);
        }
    }

    #[cold]
    fn count_undecided(&self, has_matched_route: impl Fn() -> bool) {
        let is_due = self.successes.fetch_add(1, Ordering::Relaxed) + 1 >= THRESHOLD;
        // While the thread unwinds, a panic in a subscriber would abort the process.
        if !is_due || std::thread::panicking() || self.is_decided.swap(true, Ordering::Relaxed) {
            return;
        }
        if !has_matched_route() {
            tracing::warn!(
                "{THRESHOLD} requests succeeded and none matched a route: all have the endpoint `{UNMATCHED}` or `{OTHER}`. \
                 Possible causes: the layer is around the router instead of in it, the application uses another version of \
                 axum, or the list of gRPC methods belongs to another server. See \"Where to put it\" in the documentation \
                 of tower-asdlc-metrics"
            );
        }
    }
}

/// If this many requests have succeeded and none has matched a route, the application is probably configured wrongly.
const THRESHOLD: u32 = 100;
