//! Authenticates a request, finds its route, and calls the service of the route.

use super::auth::Auth;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Incoming};
use std::{convert::Infallible, error::Error, fmt, future, pin::Pin};
use tower_service::Service;

pub(super) type BoxResponse = Response<UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>>;
pub(super) type BoxResponseFuture = Pin<Box<dyn Future<Output = BoxResponse> + Send>>;

/// A path and the service that responds there.
pub(super) struct Route {
    pub(super) path: String,
    service: Box<dyn RouteService>,
}

impl Route {
    pub(super) fn new<S, B>(path: String, service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        Self { path, service: Box::new(service) }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("path", &self.path).finish_non_exhaustive()
    }
}

/// A service of any type, with boxed futures and bodies.
trait RouteService: Send + Sync {
    fn respond(&self, request: Request<Incoming>) -> BoxResponseFuture;
}

impl<S, B> RouteService for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn respond(&self, request: Request<Incoming>) -> BoxResponseFuture {
        let mut service = self.clone();
        Box::pin(async move {
            let Ok(()) = future::poll_fn(|context| service.poll_ready(context)).await;
            let Ok(response) = service.call(request).await;
            response.map(|body| body.map_err(Into::into).boxed_unsync())
        })
    }
}

/// All routes, and the credentials that they require.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) routes: Vec<Route>,
    pub(super) auth: Auth,
}

impl Routes {
    pub(super) fn respond(&self, request: Request<Incoming>) -> BoxResponseFuture {
        let Self { routes, auth } = self;
        // Checked before the path, so that an unauthorized client cannot find out which paths
        // exist.
        if !auth.accepts(request.headers()) {
            let mut response = error_response(StatusCode::UNAUTHORIZED, "unauthorized\n");
            auth.challenge(response.headers_mut());
            return Box::pin(future::ready(response));
        }
        let uri = request.uri();
        if uri.path_and_query().is_some_and(|path| path.as_str().len() > MAX_URI) {
            let response = error_response(StatusCode::URI_TOO_LONG, "URI too long\n");
            return Box::pin(future::ready(response));
        }
        match routes.iter().find(|route| route.path == uri.path()) {
            Some(route) => route.service.respond(request),
            None => Box::pin(future::ready(error_response(StatusCode::NOT_FOUND, "not found\n"))),
        }
    }
}

fn error_response(status: StatusCode, text: &'static str) -> BoxResponse {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let mut response = Response::new(body.map_err(Into::into).boxed_unsync());
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// The maximum length of the path with its query, in bytes. It is enough for the parameter `name[]`
/// of a hundred families.
const MAX_URI: usize = 2 << 10;
