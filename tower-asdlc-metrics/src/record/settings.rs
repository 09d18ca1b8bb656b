use crate::labels::endpoint::{AnyEndpoint, RequestHead};
use crate::labels::methods::Methods;
use crate::labels::user_label::Label;
use std::fmt;

/// What the builder was told.
pub(crate) struct Settings {
    pub(crate) endpoint: AnyEndpoint,
    pub(crate) methods: Methods,
    pub(crate) labels: Vec<Label>,
    pub(crate) excluded: Vec<Predicate>,
    /// Endpoints whose requests last as long as their clients like.
    pub(crate) streams: Vec<String>,
    pub(crate) max_series: usize,
}

pub(crate) type Predicate = Box<dyn for<'a> Fn(RequestHead<'a>) -> bool + Send + Sync>;

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { endpoint, methods, labels, excluded, streams, max_series } = self;
        f.debug_struct("Settings")
            .field("endpoint", endpoint)
            .field("methods", methods)
            .field("labels", labels)
            .field("excluded", &excluded.len())
            .field("streams", streams)
            .field("max_series", max_series)
            .finish()
    }
}
