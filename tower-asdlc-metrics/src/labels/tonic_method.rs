use crate::labels::endpoint::Endpoint;
use crate::labels::request_head::RequestHead;
use std::borrow::Cow;
use tonic::GrpcMethod;

/// An [`Endpoint`] for clients of tonic 0.14: the method that a generated client calls, as `/package.Service/Method`.
///
/// It needs no list. Generated clients add a [`GrpcMethod`] to the extensions of their requests. Its names are constants of the
/// generated code, so the number of endpoints is bounded. A request without this extension has no endpoint.
///
/// ```
/// use tower_asdlc_metrics::{Endpoint, GrpcMethods, TonicMethod};
///
/// // For calls of `tonic::client::Grpc` without generated code:
/// let endpoint = TonicMethod.or(GrpcMethods::new(["/helloworld.Greeter/SayHello"]));
/// ```
///
/// The requests that a server receives do not have this extension: see [`GrpcMethods`](crate::GrpcMethods).
#[derive(Clone, Copy, Debug)]
pub struct TonicMethod;

impl Endpoint for TonicMethod {
    fn endpoint<'a>(&'a self, head: RequestHead<'a>) -> Option<Cow<'a, str>> {
        let called = head.extensions.get::<GrpcMethod<'static>>()?;
        let path = head.uri().path();
        Some(end_of_path(path, called).map_or_else(
            // A layer in between has changed the path.
            || format!("/{}/{}", called.service(), called.method()).into(),
            Cow::Borrowed,
        ))
    }
}

/// Returns the end of the path, if it is this method. What precedes it is the path of the client's origin. Most origins have
/// none.
fn end_of_path<'a>(path: &'a str, called: &GrpcMethod<'_>) -> Option<&'a str> {
    let before = path.strip_suffix(called.method())?.strip_suffix('/')?;
    let before = before.strip_suffix(called.service())?.strip_suffix('/')?;
    path.get(before.len()..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};
    use tonic::body::Body;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    /// The endpoints of the requests that a generated client sends to this origin.
    async fn endpoints(origin: &'static str) -> Vec<(String, bool)> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&seen);
        let channel = tower::service_fn(move |request: Request<Body>| {
            let endpoint = TonicMethod.endpoint(RequestHead::of(&request));
            let endpoint = endpoint.expect("a generated client sent it");
            let is_borrowed = matches!(endpoint, Cow::Borrowed(_));
            seen.lock().unwrap().push((endpoint.into_owned(), is_borrowed));
            async { Ok::<_, Infallible>(Response::new(Body::empty())) }
        });
        let mut client = HealthClient::with_origin(channel, http::Uri::from_static(origin));
        client.check(HealthCheckRequest::default()).await.expect_err("the response is empty");
        client.watch(HealthCheckRequest::default()).await.expect("a stream may be empty");
        recorded.lock().unwrap().clone()
    }

    // X-11
    #[tokio::test]
    async fn the_endpoint_of_a_generated_client_is_its_method_without_an_allocation() {
        let expected = ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"];
        let expected = expected.map(|path| (path.to_owned(), true));
        assert_eq!(endpoints("http://localhost").await, expected);
        assert_eq!(endpoints("http://localhost/behind/a/proxy").await, expected);
    }

    // X-11
    #[test]
    fn only_the_extension_counts_and_not_the_path() {
        let mut request = Request::post("/a.Service/Method").body(()).unwrap();
        assert_eq!(TonicMethod.endpoint(RequestHead::of(&request)), None);
        request.extensions_mut().insert(GrpcMethod::new("b.Service", "Method"));
        let endpoint = TonicMethod.endpoint(RequestHead::of(&request));
        assert_eq!(endpoint.as_deref(), Some("/b.Service/Method"));
    }
}
