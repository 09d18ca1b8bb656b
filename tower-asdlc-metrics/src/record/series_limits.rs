use crate::labels::ending::Ending;
use crate::labels::request_labels::RequestLabels;

/// How many routes and endings a recorder may have. Each of the other fields includes `own_labels`.
#[derive(Debug)]
pub(crate) struct SeriesLimits {
    /// Routes with labels of their own, and as many endings: the series limit that the application set.
    pub(crate) own_labels: usize,
    /// Routes, including the overflow routes.
    pub(crate) routes: usize,
    /// Endings, including those of the overflow routes.
    pub(crate) overflow_endings: usize,
    /// Endings, including the reduced endings of the overflow routes.
    pub(crate) endings: usize,
}

impl SeriesLimits {
    pub(crate) fn new(max_series: usize, methods: usize) -> Self {
        let overflow_endings = max_series + OVERFLOW_ENDINGS;
        let overflow_routes = RequestLabels::overflows(methods);
        Self {
            own_labels: max_series,
            routes: max_series + overflow_routes,
            overflow_endings,
            endings: overflow_endings + overflow_routes * Ending::REDUCED,
        }
    }
}

/// How many label sets with `endpoint="_OVERFLOW"` keep their status. For further label sets the status is `_OTHER`.
const OVERFLOW_ENDINGS: usize = 200;
