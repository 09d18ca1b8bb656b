//! From a request to an answer.

use super::auth::Gate;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Incoming};
use std::{convert::Infallible, error::Error, fmt, future, pin::Pin};
use tower_service::Service;

pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>>;
pub(super) type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A path and what answers there.
pub(super) struct Route {
    pub(super) path: String,
    service: Box<dyn Mounted>,
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

/// A service whose types are forgotten.
trait Mounted: Send + Sync {
    fn answer(&self, request: Request<Incoming>) -> Answering;
}

impl<S, B> Mounted for S
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
    fn answer(&self, request: Request<Incoming>) -> Answering {
        let mut service = self.clone();
        Box::pin(async move {
            let Ok(()) = future::poll_fn(|context| service.poll_ready(context)).await;
            let Ok(response) = service.call(request).await;
            response.map(|body| body.map_err(Into::into).boxed_unsync())
        })
    }
}

/// Everything that a connection needs to answer.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) routes: Vec<Route>,
    pub(super) gate: Gate,
}

impl Routes {
    pub(super) fn answer(&self, request: Request<Incoming>) -> Answering {
        let Self { routes, gate } = self;
        // First, so that who may not see the metrics does not see where they are.
        if !gate.opens(request.headers()) {
            let mut answer = refusal(StatusCode::UNAUTHORIZED, "who are you?\n");
            gate.challenge(answer.headers_mut());
            return Box::pin(future::ready(answer));
        }
        let uri = request.uri();
        if uri.path_and_query().is_some_and(|path| path.as_str().len() > MAX_URI) {
            return Box::pin(future::ready(refusal(StatusCode::URI_TOO_LONG, "URI too long\n")));
        }
        match routes.iter().find(|route| route.path == uri.path()) {
            Some(route) => route.service.answer(request),
            None => Box::pin(future::ready(refusal(StatusCode::NOT_FOUND, "not found\n"))),
        }
    }
}

fn refusal(status: StatusCode, text: &'static str) -> Answer {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let mut answer = Response::new(body.map_err(Into::into).boxed_unsync());
    *answer.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, plain);
    answer
}

/// `name[]` of a hundred families fits.
const MAX_URI: usize = 2 << 10;
