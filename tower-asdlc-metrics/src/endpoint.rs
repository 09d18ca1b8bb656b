//! Where the `endpoint` label comes from: a route template, never the raw path.

use crate::labels::OTHER;
use http::{Extensions, HeaderMap, Method, Request, Uri, Version};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

/// Names the endpoint of a request, for the `endpoint` label.
///
/// Ready ones are [`MatchedRoute`], the default, [`Fixed`] and [`endpoint_fn`]:
///
/// ```
/// use tower_asdlc_metrics::{HttpMetricsLayer, endpoint_fn};
/// # fn build(meter: &opentelemetry::metrics::Meter) -> Result<HttpMetricsLayer, tower_asdlc_metrics::BuildError> {
///
/// let layer = HttpMetricsLayer::builder()
///     .with_endpoint(endpoint_fn(|head| match head.uri.path() {
///         "/upload" => Some("/upload"),
///         path if path.starts_with("/files/") => Some("/files/{name}"),
///         _ => None, // counted as endpoint="_UNMATCHED"
///     }))
///     .build(meter)?;
/// # Ok(layer) }
/// ```
///
/// It is asked once per request, before the inner service is called. Each value it returns is a series of its own: return
/// templates, of which there are few, and not what a client can choose.
pub trait Endpoint {
    /// The endpoint of this request; `None` when no route matches, which counts it under [`UNMATCHED`](crate::UNMATCHED).
    fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<&'a str>;
}

/// The head of a request, borrowed: what an [`Endpoint`] may look at.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each field is the request's part of that name")]
pub struct RequestHead<'a> {
    pub method: &'a Method,
    pub uri: &'a Uri,
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
}

/// The default: the route template that the router matched, such as `/items/{id}`.
///
/// With feature `axum` that is axum's [`MatchedPath`](https://docs.rs/axum/0.8/axum/extract/struct.MatchedPath.html), which
/// is there when the layer is added with `Router::layer` or `Router::route_layer`. Without the feature, and around
/// services without a router, every request is [`UNMATCHED`](crate::UNMATCHED).
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct MatchedRoute;

#[cfg(feature = "axum")]
impl Endpoint for MatchedRoute {
    fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<&'a str> {
        head.extensions.get::<axum::extract::MatchedPath>().map(axum::extract::MatchedPath::as_str)
    }
}

#[cfg(not(feature = "axum"))]
impl Endpoint for MatchedRoute {
    fn endpoint<'a>(&'a self, _: RequestHead<'a>) -> Option<&'a str> {
        None
    }
}

/// One name for every request, for a service that is one endpoint.
///
/// ```
/// use tower_asdlc_metrics::{Fixed, HttpMetricsLayer};
///
/// let builder = HttpMetricsLayer::builder().with_endpoint(Fixed("/upload"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Fixed(pub &'static str);

impl Endpoint for Fixed {
    fn endpoint<'a>(&'a self, _: RequestHead<'a>) -> Option<&'a str> {
        Some(self.0)
    }
}

/// The methods of a gRPC server, as `/package.Service/Method`: any other path is [`OTHER`](crate::OTHER).
///
/// A tonic server runs its layers outside its router, where nothing has been matched yet; so it is told what there is.
///
/// ```
/// use tower_asdlc_metrics::{GrpcMethods, HttpMetricsLayer};
///
/// let builder = HttpMetricsLayer::builder().with_endpoint(GrpcMethods::new([
///     "/helloworld.Greeter/SayHello",
///     "/grpc.health.v1.Health/Check",
/// ]));
/// ```
#[derive(Clone, Debug)]
pub struct GrpcMethods(HashSet<Cow<'static, str>>);

impl GrpcMethods {
    /// The methods that are told apart.
    pub fn new<M: Into<Cow<'static, str>>>(methods: impl IntoIterator<Item = M>) -> Self {
        Self(methods.into_iter().map(Into::into).collect())
    }
}

impl Endpoint for GrpcMethods {
    fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<&'a str> {
        Some(self.0.get(head.uri.path()).map_or(OTHER, |method| method))
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
    fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<&'a str> {
        (self.0)(head)
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

    pub(crate) fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<&'a str> {
        self.0.endpoint(head)
    }
}

impl fmt::Debug for AnyEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Endpoint")
    }
}
