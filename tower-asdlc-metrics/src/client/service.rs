use crate::client::future::ClientResponseFuture;
use crate::client::response_body::ClientResponseBody;
use crate::record::shard::Shard;
use crate::service::open_exchange::OpenExchange;
use crate::service::panic_guard::PanicGuard;
use http::{Request, Response};
use http_body::Body;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// The service that [`HttpClientMetricsLayer`](crate::HttpClientMetricsLayer) returns.
///
/// It is ready when the inner service is ready. The time in which a caller waits for that is not recorded, and neither is an
/// error of `poll_ready`.
#[derive(Debug)]
pub struct HttpClientMetrics<S> {
    inner: S,
    /// `None` when the layer is off.
    shard: Option<Arc<Shard>>,
}

impl<S> HttpClientMetrics<S> {
    pub(crate) fn new(inner: S, shard: Option<Arc<Shard>>) -> Self {
        Self { inner, shard }
    }

    /// Returns the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Removes the layer, and returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone> Clone for HttpClientMetrics<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shard: self.shard.as_ref().map(Shard::current) }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for HttpClientMetrics<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Error: 'static,
    ResBody: Body,
    ResBody::Error: 'static,
{
    type Response = Response<ClientResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ClientResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline(always)]
    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let mut exchange = OpenExchange::default();
        exchange.start(self.shard.as_ref(), &mut request);
        exchange.expect_end_of_body();
        let panic_guard = PanicGuard::new(&mut exchange);
        let future = self.inner.call(request);
        panic_guard.disarm();
        ClientResponseFuture::new(future, exchange)
    }
}
