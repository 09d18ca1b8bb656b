//! Says in the log that the endpoints of requests are not told apart, which is a mistake in how the layer is used.

use crate::labels::methods::{OTHER, UNMATCHED};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Counts successes without a route, until it is known whether there are any with one.
#[derive(Debug, Default)]
pub(crate) struct Unrouted {
    successes: AtomicU32,
    is_known: AtomicBool,
}

/// Whether this endpoint stands for all that has none of its own.
pub(crate) fn is_unrouted(endpoint: &str) -> bool {
    [UNMATCHED, OTHER].contains(&endpoint)
}

impl Unrouted {
    /// A request without a route has succeeded.
    #[inline]
    pub(crate) fn succeeded(&self, has_routed: impl Fn() -> bool) {
        if !self.is_known.load(Ordering::Relaxed) {
            self.count(has_routed);
        }
    }

    #[cold]
    fn count(&self, has_routed: impl Fn() -> bool) {
        // A panic in a subscriber would be the second one.
        let is_due = self.successes.fetch_add(1, Ordering::Relaxed) + 1 >= ENOUGH;
        if !is_due || std::thread::panicking() || self.is_known.swap(true, Ordering::Relaxed) {
            return;
        }
        if !has_routed() {
            tracing::warn!(
                "{ENOUGH} requests succeeded and none matched a route: all of them have the endpoint `{UNMATCHED}` or \
                 `{OTHER}`. The layer may be around the router instead of in it, the application may use another version of \
                 axum, or the list of gRPC methods may be of another server; see the section \"Where to put it\" of the \
                 documentation of tower-asdlc-metrics"
            );
        }
    }
}

/// How many successes without a route are no coincidence.
const ENOUGH: u32 = 100;
