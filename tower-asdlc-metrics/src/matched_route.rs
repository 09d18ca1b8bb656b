//! The endpoints of an axum router.

use crate::endpoint::{Endpoint, RequestHead};
use axum::extract::{MatchedPath, OriginalUri};
use http::{Extensions, Uri};
use std::borrow::Cow;

/// The route template that axum matched, such as `/items/{id}`.
///
/// That is axum's [`MatchedPath`], which is there when the layer is added with `Router::layer` or `Router::route_layer`.
/// A fallback and services without a router are [`UNMATCHED`](crate::UNMATCHED).
#[derive(Clone, Copy, Debug, Default)]
pub struct MatchedRoute;

impl Endpoint for MatchedRoute {
    fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<Cow<'a, str>> {
        head.extensions.get::<MatchedPath>().map(|path| path.as_str().into())
    }
}

/// The URI before `Router::nest` removed the prefix.
pub(crate) fn original_uri(extensions: &Extensions) -> Option<&Uri> {
    extensions.get::<OriginalUri>().map(|OriginalUri(uri)| uri)
}
