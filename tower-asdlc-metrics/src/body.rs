use crate::exchange::{Exchange, Watch};
use crate::outcome::Ending;
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The response body of [`HttpMetrics`](crate::HttpMetrics): the service's own, watched to its end.
    ///
    /// Frames, errors, trailers, `size_hint` and `is_end_stream` are the inner body's, unchanged.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        // None of a request that is excluded.
        exchange: Option<Exchange>,
        // Bytes of the declared length still to come.
        remaining: Option<u64>,
    }
}

impl<B> ResponseBody<B> {
    #[inline]
    pub(crate) fn new(inner: B, remaining: Option<u64>, exchange: Option<Exchange>) -> Self {
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
        let watch = Watch::start(this.exchange);
        let polled = this.inner.as_mut().poll_frame(cx);
        watch.end();
        let frame = ready!(polled);
        let ending = match (&frame, this.exchange.as_mut()) {
            (_, None) => None,
            (None, _) => Some(Ending::Complete),
            (Some(Err(_)), _) => Some(Ending::BodyError),
            (Some(Ok(frame)), Some(exchange)) => {
                if let Some(data) = frame.data_ref() {
                    let bytes = data.remaining() as u64;
                    exchange.data(bytes);
                    if let Some(remaining) = this.remaining {
                        *remaining = remaining.saturating_sub(bytes);
                    }
                }
                if let Some(trailers) = frame.trailers_ref() {
                    exchange.trailers(trailers);
                }
                // Nothing follows trailers. And it is now that a body has ended, not at the next poll: servers drop one
                // that says so, or whose declared length is written, without polling it again.
                let ended = frame.is_trailers() || ended(&*this.inner, *this.remaining);
                ended.then_some(Ending::Complete)
            }
        };
        if let Some(ending) = ending {
            Exchange::finish(this.exchange, ending);
        }
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
        Self::new(B::default(), None, None)
    }
}

/// Whether nothing more is to come.
#[inline]
pub(crate) fn ended<B: Body>(body: &B, remaining: Option<u64>) -> bool {
    body.is_end_stream() || remaining == Some(0)
}
