use crate::body::ResponseBody;
use crate::exchange::{Exchange, Watch};
use crate::outcome::Ending;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// The response future of [`HttpMetrics`](crate::HttpMetrics).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        // None of a request that is excluded.
        exchange: Option<Exchange>,
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn new(inner: F, exchange: Option<Exchange>) -> Self {
        Self { inner, exchange }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let watch = Watch::start(this.exchange);
        let polled = this.inner.poll(cx);
        watch.end();
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(response)) => {
                if let Some(ending) =
                    this.exchange.as_mut().and_then(|open| open.answered(&response))
                {
                    Exchange::finish(this.exchange, ending);
                }
                Poll::Ready(Ok(response.map(|body| ResponseBody::new(body, this.exchange.take()))))
            }
            Poll::Ready(Err(error)) => {
                Exchange::finish(this.exchange, Ending::ServiceError);
                Poll::Ready(Err(error))
            }
        }
    }
}
