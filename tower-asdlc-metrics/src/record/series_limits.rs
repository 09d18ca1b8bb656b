//! How far the tables of a recorder grow.

use crate::labels::outcome::ErrorType;

/// How many routes and counters there may be: of what comes first, then of what is counted as overflow, and of counters then
/// the last resort.
#[derive(Debug)]
pub(crate) struct Caps {
    pub(crate) first: usize,
    pub(crate) routes: usize,
    pub(crate) overflow: usize,
    pub(crate) counters: usize,
}

impl Caps {
    pub(crate) fn new(max_series: usize, methods: usize) -> Self {
        let overflow = max_series + OVERFLOW_OUTCOMES;
        Self {
            first: max_series,
            routes: max_series + methods,
            overflow,
            // A method without a status, failed in each way or not at all, of gRPC or not.
            counters: overflow + methods * (ErrorType::COUNT + 1) * 2,
        }
    }
}

/// Room for `endpoint="_OVERFLOW"` with the statuses that occur; past it the status is `_OTHER` too.
const OVERFLOW_OUTCOMES: usize = 200;
