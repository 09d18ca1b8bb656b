use crate::body::{self, ResponseBody};
use crate::exchange::{Exchange, Watch};
use crate::outcome::Ending;
use http::Response;
use http::header::CONTENT_LENGTH;
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

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let watch = Watch::start(this.exchange);
        let polled = this.inner.poll(cx);
        watch.end();
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(response)) => Poll::Ready(Ok(answer(response, this.exchange))),
            Poll::Ready(Err(error)) => {
                Exchange::finish(this.exchange, Ending::ServiceError);
                Poll::Ready(Err(error))
            }
        }
    }
}

#[inline]
fn answer<B: Body>(
    response: Response<B>,
    exchange: &mut Option<Exchange>,
) -> Response<ResponseBody<B>> {
    let mut remaining = None;
    if let Some(open) = exchange {
        open.answered(&response);
        // The status of a gRPC call comes after the last byte: only the trailers are its end.
        remaining = if open.is_grpc() { None } else { declared_length(&response) };
        if let Some(ending) = open
            .ends_with_head(response.status())
            .or_else(|| body::ended(response.body(), remaining).then_some(Ending::Complete))
        {
            Exchange::finish(exchange, ending);
        }
    }
    response.map(|body| ResponseBody::new(body, remaining, exchange.take()))
}

/// How many bytes the body is to have: servers write no more than that.
#[inline]
fn declared_length<B: Body>(response: &Response<B>) -> Option<u64> {
    let header = || response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    response.body().size_hint().exact().or_else(header)
}
