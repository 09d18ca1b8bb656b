use crate::labels::outcome::Outcome;
use crate::service::inner_call::{InnerCall, NotCalled};
use crate::service::open_exchange::OpenExchange;
use crate::service::panic_guard::PanicGuard;
use crate::service::response_body::ResponseBody;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_service::Service;

pin_project! {
    /// The response future of [`HttpMetrics`](crate::HttpMetrics).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        // Before the call: then dropping the call is the last thing to do, and no registers are saved for what follows it.
        exchange: OpenExchange,
        #[pin]
        call: InnerCall<S::Future, NotCalled<S, Request<ReqBody>, S::Error>>,
    }
}

impl<S, ReqBody> ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    #[inline]
    pub(crate) fn new(
        call: InnerCall<S::Future, NotCalled<S, Request<ReqBody>, S::Error>>,
        exchange: OpenExchange,
    ) -> Self {
        Self { call, exchange }
    }
}

impl<S, ReqBody, B> Future for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<B>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, S::Error>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let panic_guard = PanicGuard::new(this.exchange);
        let polled = this.call.poll_response(cx);
        panic_guard.disarm();
        if const { is_large::<S::Future>() } {
            // The response is only borrowed before it is moved, which saves a copy. A small future usually contains its
            // response: then this would add a copy.
            match &polled {
                Poll::Pending => {}
                Poll::Ready(Ok(response)) => this.exchange.on_response(response),
                Poll::Ready(Err(_)) => this.exchange.finish(Outcome::ServiceError),
            }
            let body = |body| ResponseBody::new(body, this.exchange.take());
            return polled.map_ok(|response| response.map(body));
        }
        match ready!(polled) {
            Ok(response) => {
                this.exchange.on_response(&response);
                Poll::Ready(Ok(response.map(|body| ResponseBody::new(body, this.exchange.take()))))
            }
            Err(error) => {
                this.exchange.finish(Outcome::ServiceError);
                Poll::Ready(Err(error))
            }
        }
    }
}

/// Whether a future is large, such as that of axum's `Route` (320 bytes). Boxed futures are small, and so is a `Ready` with a
/// response (144 bytes).
pub(crate) const fn is_large<F>() -> bool {
    size_of::<F>() > 256
}

impl<S, ReqBody> fmt::Debug for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}
