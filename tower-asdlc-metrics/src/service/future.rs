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
        #[pin]
        call: InnerCall<S::Future, NotCalled<S, Request<ReqBody>, S::Error>>,
        exchange: OpenExchange,
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

impl<S, ReqBody> fmt::Debug for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}
