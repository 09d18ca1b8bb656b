use crate::labels::endpoint::Endpoint;
use crate::labels::request_head::RequestHead;
use crate::labels::values::OTHER;
use std::borrow::Cow;
use std::collections::HashSet;

/// An [`Endpoint`] for gRPC servers: a list of methods, each as `/package.Service/Method`.
///
/// A request to one of these paths has the path as its endpoint, even if it is not a gRPC call. The endpoint of a gRPC call to
/// any other path is [`OTHER`](crate::OTHER). All other requests have no endpoint.
///
/// A tonic server runs its layers before it routes, so the layer needs the list:
///
/// ```
/// use tower_asdlc_metrics::{GrpcMethods, HttpMetricsLayer};
///
/// let builder = HttpMetricsLayer::builder(GrpcMethods::new([
///     "/helloworld.Greeter/SayHello",
///     "/grpc.health.v1.Health/Check",
/// ]));
/// ```
///
/// If one axum router serves gRPC and HTTP, add the routes of the other requests with [`or`](Endpoint::or):
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use tower_asdlc_metrics::{Endpoint, GrpcMethods, HttpMetricsLayer, MatchedRoute};
///
/// let methods = GrpcMethods::new(["/helloworld.Greeter/SayHello"]);
/// let builder = HttpMetricsLayer::builder(methods.or(MatchedRoute));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct GrpcMethods(HashSet<Cow<'static, str>>);

impl GrpcMethods {
    /// Creates the endpoint from the paths of the methods.
    pub fn new<M: Into<Cow<'static, str>>>(methods: impl IntoIterator<Item = M>) -> Self {
        Self(methods.into_iter().map(Into::into).collect())
    }
}

impl Endpoint for GrpcMethods {
    fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<Cow<'a, str>> {
        let method = self.0.get(head.uri().path()).map(|method| &**method);
        Some(method.or_else(|| head.is_grpc().then_some(OTHER))?.into())
    }
}
