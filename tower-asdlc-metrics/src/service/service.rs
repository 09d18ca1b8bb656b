use crate::record::handle::Handle;
use crate::service::exchange::{Exchange, Watch};
use crate::service::future::{ResponseFuture, State};
use crate::service::response_body::ResponseBody;
use http::{Request, Response};
use http_body::Body;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tower_service::Service;

/// The service that [`HttpMetricsLayer`](crate::HttpMetricsLayer) puts around another.
///
/// It is always ready. If the inner service is not ready yet, the request waits in its response future, where it is measured.
/// This needs `S: Clone`: the future takes the service and leaves a clone in its place. With
/// [`with_backpressure`](crate::HttpMetricsLayerBuilder::with_backpressure), it is ready when the inner service is ready.
#[derive(Debug)]
pub struct HttpMetrics<S> {
    inner: S,
    /// None when the layer is off.
    handle: Option<Arc<Handle>>,
    has_backpressure: bool,
}

impl<S> HttpMetrics<S> {
    pub(crate) fn new(inner: S, handle: Option<Arc<Handle>>, has_backpressure: bool) -> Self {
        Self { inner, handle, has_backpressure }
    }

    #[cfg(test)]
    pub(crate) fn handle(&self) -> &Arc<Handle> {
        self.handle.as_ref().expect("a layer that is on")
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
        Self {
            inner: self.inner.clone(),
            handle: self.handle.as_ref().map(Handle::here),
            has_backpressure: self.has_backpressure,
        }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for HttpMetrics<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.has_backpressure { self.inner.poll_ready(cx) } else { Poll::Ready(Ok(())) }
    }

    #[inline]
    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let mut exchange =
            self.handle.as_ref().and_then(|handle| Exchange::start(handle, &mut request));
        let watch = Watch::start(&mut exchange);
        let ready = if self.has_backpressure {
            Poll::Ready(Ok(()))
        } else {
            // No task to wake: if it is not ready, the future asks again before it waits.
            self.inner.poll_ready(&mut Context::from_waker(Waker::noop()))
        };
        let state = match ready {
            Poll::Ready(Ok(())) => State::called(self.inner.call(request)),
            Poll::Ready(Err(error)) => State::failed(error),
            Poll::Pending => {
                // Not the clone waits, which may be last in a queue where this one already has its place.
                let next = self.inner.clone();
                State::waiting(std::mem::replace(&mut self.inner, next), request)
            }
        };
        watch.end();
        ResponseFuture::new(state, exchange)
    }
}
