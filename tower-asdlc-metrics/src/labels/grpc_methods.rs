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
/// A tonic server runs its layers before it routes, so the layer needs the list. With the feature `tonic`, the [file descriptor
/// sets](Self::from_file_descriptor_sets) of the server's services are the list. Without them, write it:
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

    /// Adds the paths of further methods.
    ///
    /// For a service that has no file descriptor set:
    ///
    /// ```
    /// # #[cfg(feature = "tonic")] {
    /// use tower_asdlc_metrics::GrpcMethods;
    ///
    /// let methods = GrpcMethods::from_file_descriptor_sets(&[tonic_health::pb::FILE_DESCRIPTOR_SET])?
    ///     .with_methods(["/helloworld.Greeter/SayHello"]);
    /// # }
    /// # Ok::<(), tower_asdlc_metrics::BuildError>(())
    /// ```
    #[must_use]
    pub fn with_methods<M: Into<Cow<'static, str>>>(
        mut self,
        methods: impl IntoIterator<Item = M>,
    ) -> Self {
        self.0.extend(methods.into_iter().map(Into::into));
        self
    }
}

impl Endpoint for GrpcMethods {
    fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<Cow<'a, str>> {
        let method = self.0.get(head.uri().path()).map(|method| &**method);
        Some(method.or_else(|| head.is_grpc().then_some(OTHER))?.into())
    }
}
