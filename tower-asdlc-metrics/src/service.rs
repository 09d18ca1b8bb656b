use crate::body::ResponseBody;
use crate::exchange::{Exchange, Watch};
use crate::future::ResponseFuture;
use crate::handle::Handle;
use http::{Request, Response};
use http_body::Body;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// The service that [`HttpMetricsLayer`](crate::HttpMetricsLayer) puts around another.
#[derive(Debug)]
pub struct HttpMetrics<S> {
    inner: S,
    handle: Arc<Handle>,
}

impl<S> HttpMetrics<S> {
    pub(crate) fn new(inner: S, handle: Arc<Handle>) -> Self {
        Self { inner, handle }
    }

    #[cfg(test)]
    pub(crate) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// The service inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service inside.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service inside, without the layer.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone> Clone for HttpMetrics<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), handle: self.handle.here() }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for HttpMetrics<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let mut exchange = Exchange::start(&self.handle, &request);
        let watch = Watch::start(&mut exchange);
        let future = self.inner.call(request);
        watch.end();
        ResponseFuture::new(future, exchange)
    }
}
