use crate::labels::Ending;
use crate::recorder::Exchange;
use bytes::Buf;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// The response body of [`HttpMetrics`](crate::HttpMetrics): the service's own, watched to its end.
    ///
    /// Frames, errors, trailers, `size_hint` and `is_end_stream` are the inner body's, unchanged.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        // None once recorded.
        exchange: Option<Exchange>,
        // Bytes of the declared length still to come.
        remaining: Option<u64>,
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn unobserved(inner: B) -> Self {
        Self { inner, exchange: None, remaining: None }
    }
}

impl<B: Body> ResponseBody<B> {
    pub(crate) fn new(inner: B, headers: &HeaderMap, exchange: Exchange) -> Self {
        let declared =
            headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let remaining = declared.or_else(|| inner.size_hint().exact());
        let mut exchange = Some(exchange);
        if ended(&inner, remaining) {
            finish(&mut exchange, Ending::Complete);
        }
        Self { inner, exchange, remaining }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        // On the stack while the body runs: see `ResponseFuture::poll`.
        let mut exchange = this.exchange.take();
        let frame = match this.inner.as_mut().poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                *this.exchange = exchange;
                return Poll::Pending;
            }
        };
        match &frame {
            None => finish(&mut exchange, Ending::Complete),
            Some(Err(_)) => finish(&mut exchange, Ending::BodyError),
            // Nothing follows trailers.
            Some(Ok(frame)) if frame.is_trailers() => finish(&mut exchange, Ending::Complete),
            Some(Ok(frame)) => {
                if let (Some(data), Some(remaining)) = (frame.data_ref(), this.remaining.as_mut()) {
                    *remaining = remaining.saturating_sub(data.remaining() as u64);
                }
                // Now, not at the next poll: servers drop a body that says it has ended, or whose declared length is
                // written, without polling it again.
                if ended(&*this.inner, *this.remaining) {
                    finish(&mut exchange, Ending::Complete);
                }
            }
        }
        *this.exchange = exchange;
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An outer layer that answers by itself (a timeout, a limit) wants to make an empty body.
impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::unobserved(B::default())
    }
}

fn ended<B: Body>(body: &B, remaining: Option<u64>) -> bool {
    body.is_end_stream() || remaining == Some(0)
}

fn finish(exchange: &mut Option<Exchange>, ending: Ending) {
    if let Some(exchange) = exchange.take() {
        exchange.finish(ending);
    }
}
