//! Requests that are not recorded.

use crate::labels::catch_panic::catch_panic;
use crate::labels::request_head::RequestHead;
use std::fmt;

#[derive(Default)]
pub(crate) struct Exclusions {
    pub(crate) predicates: Vec<Predicate>,
    /// Compared with the path that the client requested, without the query.
    pub(crate) paths: Vec<String>,
}

pub(crate) type Predicate = Box<dyn for<'a> Fn(RequestHead<'a>) -> bool + Send + Sync>;

impl Exclusions {
    pub(crate) fn is_empty(&self) -> bool {
        self.predicates.is_empty() && self.paths.is_empty()
    }

    /// A predicate that panics excludes nothing.
    pub(crate) fn contain(&self, head: RequestHead<'_>) -> bool {
        let is_excluded = |predicate: &Predicate| catch_panic(|| predicate(head)).unwrap_or(false);
        self.predicates.iter().any(is_excluded)
            || self.paths.iter().any(|path| path == head.uri().path())
    }
}

impl fmt::Debug for Exclusions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { predicates, paths } = self;
        f.debug_struct("Exclusions")
            .field("predicates", &predicates.len())
            .field("paths", paths)
            .finish()
    }
}
