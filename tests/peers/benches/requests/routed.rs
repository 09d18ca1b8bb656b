//! The ladder's request with a matched route, which the layers for axum look for.

use crate::subjects::{BareService, requests, service};
use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::{MatchedPath, Request as AxumRequest};
use axum::routing::get;
use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body::Body;
use http_body_util::Full;
use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll};
use tower::{Layer, Service, ServiceExt};

pub const ROUTE: &str = "/items/{id}";

/// Requests to the ladder's service behind a layer, each with the route among its extensions.
///
/// The extensions are not made for each request, which costs more than some layers do: they are moved into it outside of the
/// layer, and out again in the service.
pub fn routed<L, B>(layer: &L, path: &MatchedPath) -> impl FnMut() + use<L, B>
where
    L: Layer<Inner>,
    L::Service: Service<Request<Full<Bytes>>, Response = Response<B>>,
    B: Body,
{
    let extensions = Rc::new(Cell::new(Extensions::new()));
    let mut first = Extensions::new();
    first.insert(path.clone());
    extensions.set(first);
    let inner = Inner { service: service(), extensions: Rc::clone(&extensions) };
    requests(Outer { service: layer.layer(inner), extensions })
}

/// What axum's router leaves in a request. `MatchedPath` cannot be made by others.
pub async fn matched_path() -> MatchedPath {
    let (sender, receiver) = std::sync::mpsc::channel();
    let keep = move |path: MatchedPath| async move { drop(sender.send(path)) };
    let request = AxumRequest::get("/items/1").body(AxumBody::empty());
    let router = Router::<()>::new().route(ROUTE, get(keep));
    let response = router.oneshot(request.expect("a request")).await;
    assert!(response.expect("a router does not fail").status().is_success());
    receiver.recv().expect("the handler's path")
}

struct Outer<S> {
    service: S,
    extensions: Rc<Cell<Extensions>>,
}

impl<B, S: Service<Request<B>>> Service<Request<B>> for Outer<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        *request.extensions_mut() = self.extensions.take();
        self.service.call(request)
    }
}

/// The service that a layer is put around.
#[derive(Clone)]
pub struct Inner {
    service: BareService,
    extensions: Rc<Cell<Extensions>>,
}

impl Service<Request<Full<Bytes>>> for Inner {
    type Response = <BareService as Service<Request<Full<Bytes>>>>::Response;
    type Error = <BareService as Service<Request<Full<Bytes>>>>::Error;
    type Future = <BareService as Service<Request<Full<Bytes>>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Full<Bytes>>) -> Self::Future {
        self.extensions.set(std::mem::take(request.extensions_mut()));
        self.service.call(request)
    }
}
