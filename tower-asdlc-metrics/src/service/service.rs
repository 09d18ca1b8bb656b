use crate::record::shard::Shard;
use crate::service::future::{ResponseFuture, is_large};
use crate::service::inner_call::InnerCall;
use crate::service::open_exchange::OpenExchange;
use crate::service::panic_guard::PanicGuard;
use crate::service::response_body::ResponseBody;
use http::{Request, Response};
use http_body::Body;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tower_service::Service;

/// The service that [`HttpMetricsLayer`](crate::HttpMetricsLayer) returns.
///
/// It is always ready. If the inner service is not ready yet, the request waits in its response future, where it is measured.
/// This needs `S: Clone`: the future takes the service and leaves a clone in its place. With
/// [`with_backpressure`](crate::HttpMetricsLayerBuilder::with_backpressure), and if the layer is
/// [disabled](crate::HttpMetricsLayer::disabled), it is ready when the inner service is ready.
#[derive(Debug)]
pub struct HttpMetrics<S> {
    // Before the inner service: then dropping that is the last thing to do.
    /// `None` if the layer is disabled.
    shard: Option<Arc<Shard>>,
    inner: S,
    has_backpressure: bool,
}

impl<S> HttpMetrics<S> {
    pub(crate) fn new(inner: S, shard: Option<Arc<Shard>>, has_backpressure: bool) -> Self {
        Self { inner, shard, has_backpressure }
    }

    #[cfg(test)]
    pub(crate) fn shard(&self) -> &Arc<Shard> {
        self.shard.as_ref().expect("a layer that is on")
    }

    /// Returns a reference to the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Removes the layer, and returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone> Clone for HttpMetrics<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shard: self.shard.as_ref().map(Shard::current),
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

    #[inline(always)]
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        if const { is_large::<S::Future>() } {
            self.call_outlined(request)
        } else {
            self.call_inlined(request)
        }
    }
}

impl<S> HttpMetrics<S> {
    /// For large futures: a function that is not inlined gets the address of its result, and builds the future there. If it
    /// were inlined, each layer between it and that address would copy the future once more.
    #[inline(never)]
    fn call_outlined<ReqBody>(&mut self, request: Request<ReqBody>) -> ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>> + Clone,
    {
        self.call_inlined(request)
    }

    #[inline(always)]
    fn call_inlined<ReqBody>(&mut self, mut request: Request<ReqBody>) -> ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>> + Clone,
    {
        let mut exchange = OpenExchange::default();
        exchange.start(self.shard.as_ref(), &mut request);
        let panic_guard = PanicGuard::new(&mut exchange);
        let ready = if self.has_backpressure {
            Poll::Ready(Ok(()))
        } else {
            // There is no task to wake yet: if the service is not ready, the future polls it again before it waits.
            self.inner.poll_ready(&mut Context::from_waker(Waker::noop()))
        };
        let call = match ready {
            Poll::Ready(Ok(())) => InnerCall::called(self.inner.call(request)),
            Poll::Ready(Err(error)) => InnerCall::failed(error),
            Poll::Pending => {
                // The future keeps the service that was polled, because it may have reserved a place in a queue. Its clone has
                // none.
                let clone = self.inner.clone();
                InnerCall::waiting(mem::replace(&mut self.inner, clone), request)
            }
        };
        panic_guard.disarm();
        ResponseFuture::new(call, exchange)
    }
}
