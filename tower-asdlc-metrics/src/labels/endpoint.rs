//! The source of the `endpoint` label: a route template, never the raw path.

use crate::labels::catch_panic::catch_panic;
use crate::labels::request_head::RequestHead;
use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::fmt;

/// Returns the `endpoint` label of a request.
///
/// The crate has [`MatchedRoute`], [`GrpcMethods`], [`FixedEndpoint`] and [`endpoint_fn`]:
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
/// The layer calls it once per request, before it calls the inner service. Each value becomes a series of its own. Return one of
/// a few templates, and nothing that a client can choose. A response can [replace](ResponseEndpoint) the endpoint.
///
/// An implementation must not panic: the panic would reach the server, and the request would not be recorded. The function of
/// [`endpoint_fn`] may panic.
///
/// [`MatchedRoute`]: crate::MatchedRoute
/// [`GrpcMethods`]: crate::GrpcMethods
pub trait Endpoint {
    /// Returns the endpoint of the request, or `None` if no route matches. The layer then counts the request under
    /// [`UNMATCHED`](crate::UNMATCHED).
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

/// An [`Endpoint`] that is the same for every request, for a service with one endpoint.
///
/// ```
/// use tower_asdlc_metrics::{FixedEndpoint, HttpMetricsLayer};
///
/// let builder = HttpMetricsLayer::builder(FixedEndpoint("/upload"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FixedEndpoint(pub &'static str);

impl Endpoint for FixedEndpoint {
    fn endpoint<'a>(&'a self, _: RequestHead<'a>) -> Option<Cow<'a, str>> {
        Some(self.0.into())
    }
}

/// The [`Endpoint`] that [`Endpoint::or`] returns.
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

/// An extension of a *response* that replaces the endpoint of its request.
///
/// Use it in a service that learns the endpoint only while it handles the request:
///
/// ```
/// use tower_asdlc_metrics::ResponseEndpoint;
///
/// let mut response = http::Response::new("a page");
/// response.extensions_mut().insert(ResponseEndpoint("/pages/{slug}".into()));
/// ```
#[derive(Clone, Debug)]
pub struct ResponseEndpoint(pub Cow<'static, str>);

/// Creates an [`Endpoint`] from a function. The function returns a value that is borrowed from the request, or a `'static` one.
///
/// If the function panics, the request continues and is counted under [`UNMATCHED`](crate::UNMATCHED).
pub fn endpoint_fn<F>(function: F) -> EndpointFn<F>
where
    F: for<'a> Fn(RequestHead<'a>) -> Option<&'a str>,
{
    EndpointFn(function)
}

/// The [`Endpoint`] that [`endpoint_fn`] returns.
#[derive(Clone, Copy)]
pub struct EndpointFn<F>(F);

impl<F> Endpoint for EndpointFn<F>
where
    F: for<'a> Fn(RequestHead<'a>) -> Option<&'a str>,
{
    fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<Cow<'a, str>> {
        catch_panic(|| (self.0)(head)).flatten().map(Cow::Borrowed)
    }
}

impl<F> fmt::Debug for EndpointFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointFn")
    }
}

/// An endpoint of any type, boxed so that the layer has no type parameter for it.
pub(crate) struct AnyEndpoint {
    endpoint: Box<dyn Endpoint + Send + Sync>,
    type_id: TypeId,
}

impl AnyEndpoint {
    pub(crate) fn new(endpoint: impl Endpoint + Send + Sync + 'static) -> Self {
        Self { type_id: endpoint.type_id(), endpoint: Box::new(endpoint) }
    }

    #[inline]
    pub(crate) fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<Cow<'a, str>> {
        self.endpoint.endpoint(head)
    }

    /// Whether it has this type.
    pub(crate) fn is<E: Endpoint + 'static>(&self) -> bool {
        self.type_id == TypeId::of::<E>()
    }
}

impl fmt::Debug for AnyEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint")
    }
}
