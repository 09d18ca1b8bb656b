use crate::client::response_body::ClientResponseBody;
use crate::labels::outcome::Outcome;
use crate::service::open_exchange::OpenExchange;
use crate::service::panic_guard::PanicGuard;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The response future of [`HttpClientMetrics`](crate::HttpClientMetrics).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ClientResponseFuture<F> {
        #[pin]
        inner: F,
        exchange: OpenExchange,
    }
}

impl<F> ClientResponseFuture<F> {
    #[inline]
    pub(crate) fn new(inner: F, exchange: OpenExchange) -> Self {
        Self { inner, exchange }
    }
}

impl<F, B, E> Future for ClientResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: 'static,
{
    type Output = Result<Response<ClientResponseBody<B>>, E>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let panic_guard = PanicGuard::new(this.exchange);
        let polled = this.inner.poll(cx);
        panic_guard.disarm();
        match ready!(polled) {
            Ok(response) => {
                this.exchange.on_response(&response);
                let exchange = this.exchange.take();
                Poll::Ready(Ok(response.map(|body| ClientResponseBody::new(body, exchange))))
            }
            Err(error) => {
                this.exchange.finish_with_error(&error, Outcome::ServiceError);
                Poll::Ready(Err(error))
            }
        }
    }
}
