use crate::labels::outcome_labels::ErrorType;

/// How many routes and counters a recorder may have. Each of the other fields includes `own_labels`.
#[derive(Debug)]
pub(crate) struct SeriesLimits {
    /// Routes with labels of their own, and as many counters: the series limit that the application set.
    pub(crate) own_labels: usize,
    /// Routes, including the overflow route of each method.
    pub(crate) routes: usize,
    /// Counters, including those of the overflow routes.
    pub(crate) overflow_counters: usize,
    /// Counters, including those of the overflow routes with `_OTHER` as status.
    pub(crate) counters: usize,
}

impl SeriesLimits {
    pub(crate) fn new(max_series: usize, methods: usize) -> Self {
        let overflow_counters = max_series + OVERFLOW_OUTCOMES;
        Self {
            own_labels: max_series,
            routes: max_series + methods,
            overflow_counters,
            // For each method: no failure or any of the failures, for gRPC calls and for other requests.
            counters: overflow_counters + methods * (usize::from(ErrorType::COUNT) + 1) * 2,
        }
    }
}

/// How many label sets with `endpoint="_OVERFLOW"` keep their status. For further label sets the status is `_OTHER`.
const OVERFLOW_OUTCOMES: usize = 200;
