use crate::labels::endpoint::Endpoint;
use crate::labels::request_head::RequestHead;
use axum::extract::MatchedPath;
use axum::{Extension, Router, body::Body, routing::any};
use http::{Extensions, Request};
use std::borrow::Cow;
use std::fmt::{self, Write};
use std::future::Future;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use tower_service::Service;

/// An [`Endpoint`] for axum routers: the route template that axum matched, such as `/items/{id}`. For a service that was added
/// with `Router::nest_service` it is the prefix, such as `/static`.
///
/// It reads axum's [`MatchedPath`], which a request has if the layer was added with `Router::layer` or `Router::route_layer`.
/// Requests to a fallback, and to a service without a router, are counted under [`UNMATCHED`](crate::UNMATCHED).
///
/// To find the prefix of a nested service, the endpoint routes a copy of the request's extensions. This allocates several
/// times for each such request.
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

/// The end of the template that some versions of axum match for a fallback.
const FALLBACK: &str = "{*__private__axum_fallback}";

/// Returns the prefix of `Router::nest_service`.
///
/// Outside of the nested service, axum keeps the prefix in a private extension. A router inside of the nested service has it in
/// its matched path. This function therefore sends the extensions through such a router.
#[cold]
fn nested_at(extensions: &Extensions) -> Option<String> {
    static NESTED: LazyLock<Router> = LazyLock::new(|| {
        Router::new().route("/", any(|path: MatchedPath| async { Extension(path) }))
    });
    let mut request = Request::new(Body::empty());
    *request.extensions_mut() = extensions.clone();
    let future = pin!(NESTED.clone().call(request));
    let Poll::Ready(Ok(response)) = future.poll(&mut Context::from_waker(Waker::noop())) else {
        return None;
    };
    let path = response.extensions().get::<MatchedPath>()?.as_str();
    path.strip_suffix('/').filter(|prefix| !prefix.is_empty()).map(str::to_owned)
}

/// Whether the request may be for a nested service. This check does not allocate: most requests without a matched path are
/// scans, which should cost little.
#[cold]
fn may_be_nested(extensions: &Extensions) -> bool {
    let mut names = TypeNames::default();
    // `Extensions` shows its content only in its debug output: the names of the types, in newer versions of `http`.
    !extensions.is_empty()
        && (write!(names, "{extensions:?}").is_err() || names.is_nested || !names.are_shown)
}

#[derive(Default)]
struct TypeNames {
    are_shown: bool,
    is_nested: bool,
}

impl Write for TypeNames {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.are_shown |= text.contains("::");
        self.is_nested |= text.ends_with("MatchedNestedPath");
        Ok(())
    }
}
