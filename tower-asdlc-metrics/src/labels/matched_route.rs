//! The endpoints of an axum router.

use crate::labels::endpoint::{Endpoint, RequestHead};
use axum::extract::{MatchedPath, OriginalUri};
use axum::{Extension, Router, body::Body, routing::any};
use http::{Extensions, Request, Uri};
use std::borrow::Cow;
use std::fmt::{self, Write};
use std::future::Future;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use tower_service::Service;

/// The route template that axum matched, such as `/items/{id}`; under `Router::nest_service` the prefix, such as `/static`.
///
/// That is axum's [`MatchedPath`], which is there when the layer is added with `Router::layer` or `Router::route_layer`.
/// A fallback, and a service without a router, are [`UNMATCHED`](crate::UNMATCHED).
///
/// For a nested service, the layer gets the prefix from axum by routing a copy of the request's extensions. This costs
/// some allocations for each such request.
#[derive(Clone, Copy, Debug, Default)]
pub struct MatchedRoute;

impl Endpoint for MatchedRoute {
    #[inline]
    fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<Cow<'a, str>> {
        match head.extensions.get::<MatchedPath>().map(MatchedPath::as_str) {
            Some(path) => (!path.ends_with(FALLBACK)).then_some(Cow::Borrowed(path)),
            None if may_be_nested(head.extensions) => nested_at(head.extensions).map(Cow::Owned),
            None => None,
        }
    }
}

/// How axum's own template of a fallback ends, in versions that match one.
const FALLBACK: &str = "{*__private__axum_fallback}";

/// The prefix of `Router::nest_service`.
///
/// Outside of the nested service axum keeps it to itself. But a router inside has it in its matched path: so here is one.
#[cold]
fn nested_at(extensions: &Extensions) -> Option<String> {
    static INSIDE: LazyLock<Router> = LazyLock::new(|| {
        Router::new().route("/", any(|path: MatchedPath| async { Extension(path) }))
    });
    let mut request = Request::new(Body::empty());
    *request.extensions_mut() = extensions.clone();
    let answer = pin!(INSIDE.clone().call(request));
    let Poll::Ready(Ok(response)) = answer.poll(&mut Context::from_waker(Waker::noop())) else {
        return None;
    };
    let path = response.extensions().get::<MatchedPath>()?.as_str();
    path.strip_suffix('/').filter(|prefix| !prefix.is_empty()).map(str::to_owned)
}

/// Whether the request may be one for a nested service. A cheaper look than to ask: most requests without a matched path
/// are scans, for which nothing is to be allocated.
#[cold]
fn may_be_nested(extensions: &Extensions) -> bool {
    let mut names = TypeNames::default();
    // Of what is in there, only the names of the types can be had, in newer versions of `http`.
    !extensions.is_empty()
        && (write!(names, "{extensions:?}").is_err() || names.is_nested || !names.are_told)
}

#[derive(Default)]
struct TypeNames {
    are_told: bool,
    is_nested: bool,
}

impl Write for TypeNames {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.are_told |= text.contains("::");
        self.is_nested |= text.ends_with("MatchedNestedPath");
        Ok(())
    }
}

/// The URI before `Router::nest` removed the prefix.
pub(crate) fn original_uri(extensions: &Extensions) -> Option<&Uri> {
    extensions.get::<OriginalUri>().map(|OriginalUri(uri)| uri)
}
