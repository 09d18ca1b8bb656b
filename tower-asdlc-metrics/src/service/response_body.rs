use crate::labels::outcome::Ending;
use crate::service::exchange::{Exchange, Watch};
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
    }
}

impl<B> ResponseBody<B> {
    #[inline]
    pub(crate) fn new(inner: B, exchange: Option<Exchange>) -> Self {
        Self { inner, exchange }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let watch = Watch::start(this.exchange);
        let polled = this.inner.as_mut().poll_frame(cx);
        watch.end();
        let frame = ready!(polled);
        if let Some(exchange) = this.exchange {
            let ending = match &frame {
                None => exchange.ends_here(true),
                Some(Err(_)) => Some(Ending::BodyError),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        exchange.data(data);
                    }
                    if let Some(trailers) = frame.trailers_ref() {
                        exchange.trailers(trailers);
                    }
                    // Nothing follows trailers. And it is now that a body has ended, not at the next poll: servers drop one
                    // that says so, and HTTP/1 servers one whose declared length is written, without polling it again.
                    exchange.ends_here(frame.is_trailers() || this.inner.is_end_stream())
                }
            };
            if let Some(ending) = ending {
                exchange.record(ending);
            }
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
        Self::new(B::default(), None)
    }
}
