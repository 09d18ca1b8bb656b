//! Where the `endpoint` label comes from: a route template, never the raw path.

use crate::labels::callback::guarded;
use http::{Extensions, HeaderMap, Method, Request, Uri, Version};
use std::borrow::Cow;
use std::fmt;

/// Names the endpoint of a request, for the `endpoint` label.
///
/// Ready ones are [`MatchedRoute`], [`GrpcMethods`], [`Fixed`] and [`endpoint_fn`]:
///
/// ```
/// use tower_asdlc_metrics::{HttpMetricsLayer, endpoint_fn};
/// # fn build(meter: &opentelemetry::metrics::Meter) -> Result<HttpMetricsLayer, tower_asdlc_metrics::BuildError> {
///
/// let endpoint = endpoint_fn(|head| match head.uri().path() {
///     "/upload" => Some("/upload"),
///     path if path.starts_with("/files/") => Some("/files/{name}"),
///     _ => None, // counted as endpoint="_UNMATCHED"
/// });
/// let layer = HttpMetricsLayer::builder(endpoint).build(meter)?;
/// # Ok(layer) }
/// ```
///
/// It is asked once per request, before the inner service is called. Each value it returns is a series of its own: return
/// templates, of which there are few, and not what a client can choose. A response can [replace](ResponseEndpoint) it.
///
/// [`MatchedRoute`]: crate::MatchedRoute
/// [`GrpcMethods`]: crate::GrpcMethods
/// An implementation must not panic: the panic would be that of the server, and the request would not be recorded. The function
/// of [`endpoint_fn`] may.
pub trait Endpoint {
    /// The endpoint of this request; `None` when no route matches, which counts it under [`UNMATCHED`](crate::UNMATCHED).
    fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<Cow<'a, str>>;

    /// Uses this endpoint; if it returns `None`, uses the other one.
    ///
    /// For a server with gRPC methods and HTTP routes:
    ///
    /// ```
    /// use tower_asdlc_metrics::{Endpoint, GrpcMethods, HttpMetricsLayer};
    /// # #[cfg(feature = "axum")]
    /// # fn build(meter: &opentelemetry::metrics::Meter) -> Result<HttpMetricsLayer, tower_asdlc_metrics::BuildError> {
    /// use tower_asdlc_metrics::MatchedRoute;
    ///
    /// let methods = GrpcMethods::new(["/helloworld.Greeter/SayHello"]);
    /// let layer = HttpMetricsLayer::builder(methods.or(MatchedRoute)).build(meter)?;
    /// # Ok(layer) }
    /// ```
    fn or<E: Endpoint>(self, other: E) -> Or<Self, E>
    where
        Self: Sized,
    {
        Or { first: self, second: other }
    }
}

/// The head of a request, borrowed: what an [`Endpoint`] may look at.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each field is the request's part of that name")]
pub struct RequestHead<'a> {
    pub method: &'a Method,
    uri: &'a Uri,
    pub version: Version,
    pub headers: &'a HeaderMap,
    pub extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The URI that the client asked for.
    ///
    /// Inside an axum `nest`, axum removes the prefix from the URI of the request and stores the original URI. With the feature
    /// `axum`, this method returns the original URI. Without it, this method returns the URI of the request, which outer
    /// layers may have changed.
    #[must_use]
    pub fn uri(&self) -> &'a Uri {
        #[cfg(feature = "axum")]
        if let Some(uri) = crate::labels::matched_route::original_uri(self.extensions) {
            return uri;
        }
        self.uri
    }
}

/// One name for every request, for a service that is one endpoint.
///
/// ```
/// use tower_asdlc_metrics::{Fixed, HttpMetricsLayer};
///
/// let builder = HttpMetricsLayer::builder(Fixed("/upload"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Fixed(pub &'static str);

impl Endpoint for Fixed {
    fn endpoint<'a>(&'a self, _: RequestHead<'a>) -> Option<Cow<'a, str>> {
        Some(self.0.into())
    }
}

/// What [`Endpoint::or`] returns.
#[derive(Clone, Copy, Debug)]
pub struct Or<A, B> {
    first: A,
    second: B,
}

impl<A: Endpoint, B: Endpoint> Endpoint for Or<A, B> {
    fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<Cow<'a, str>> {
        self.first.endpoint(head).or_else(|| self.second.endpoint(head))
    }
}

/// In the extensions of a *response*: the endpoint it belongs to, in place of what the [`Endpoint`] said of the request.
///
/// For services that know only while they work what was asked for:
///
/// ```
/// use tower_asdlc_metrics::ResponseEndpoint;
///
/// let mut response = http::Response::new("a page");
/// response.extensions_mut().insert(ResponseEndpoint("/pages/{slug}".into()));
/// ```
#[derive(Clone, Debug)]
pub struct ResponseEndpoint(pub Cow<'static, str>);

/// An [`Endpoint`] from a function that returns a value borrowed from the request, or a `'static` one.
///
/// If the function panics, the request goes on and is counted under [`UNMATCHED`](crate::UNMATCHED).
pub fn endpoint_fn<F>(function: F) -> EndpointFn<F>
where
    F: for<'a> Fn(RequestHead<'a>) -> Option<&'a str>,
{
    EndpointFn(function)
}

/// What [`endpoint_fn`] returns.
#[derive(Clone, Copy)]
pub struct EndpointFn<F>(F);

impl<F> Endpoint for EndpointFn<F>
where
    F: for<'a> Fn(RequestHead<'a>) -> Option<&'a str>,
{
    fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<Cow<'a, str>> {
        guarded(|| (self.0)(head)).flatten().map(Cow::Borrowed)
    }
}

impl<F> fmt::Debug for EndpointFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointFn")
    }
}

/// An endpoint of any type, behind one name: the layer needs no type parameter for it.
pub(crate) struct AnyEndpoint(Box<dyn Endpoint + Send + Sync>);

impl AnyEndpoint {
    pub(crate) fn new(endpoint: impl Endpoint + Send + Sync + 'static) -> Self {
        Self(Box::new(endpoint))
    }

    #[inline]
    pub(crate) fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<Cow<'a, str>> {
        self.0.endpoint(head)
    }
}

impl fmt::Debug for AnyEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint")
    }
}
