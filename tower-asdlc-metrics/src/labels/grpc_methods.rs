//! The endpoints of a gRPC server.

use crate::labels::endpoint::{Endpoint, RequestHead};
use crate::labels::methods::OTHER;
use crate::service::exchange::is_grpc;
use std::borrow::Cow;
use std::collections::HashSet;

/// The methods of a gRPC server, as `/package.Service/Method`. The endpoint of a gRPC call to any other path is
/// [`OTHER`](crate::OTHER). For a request that is not a gRPC call, this returns no endpoint.
///
/// A tonic server runs its layers outside its router, where nothing has been matched yet. So the layer needs the list.
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
/// Where one axum router serves gRPC and HTTP, [`or`](Endpoint::or) adds the routes of the rest:
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
    /// The methods that are told apart.
    pub fn new<M: Into<Cow<'static, str>>>(methods: impl IntoIterator<Item = M>) -> Self {
        Self(methods.into_iter().map(Into::into).collect())
    }
}

impl Endpoint for GrpcMethods {
    fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<Cow<'a, str>> {
        let method = self.0.get(head.uri().path()).map(|method| &**method);
        Some(method.or_else(|| is_grpc(head).then_some(OTHER))?.into())
    }
}
