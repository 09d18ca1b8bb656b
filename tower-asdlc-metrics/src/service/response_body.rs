use crate::labels::outcome::Outcome;
use crate::service::open_exchange::OpenExchange;
use crate::service::panic_guard::PanicGuard;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// The response body of [`HttpMetrics`](crate::HttpMetrics). It observes the body of the inner service up to its end.
    ///
    /// Frames, errors, trailers, `size_hint` and `is_end_stream` are those of the inner body, unchanged.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        // Before the body: then dropping the body is the last thing to do, and no registers are saved for what follows it.
        exchange: OpenExchange,
        #[pin]
        inner: B,
    }
}

impl<B> ResponseBody<B> {
    #[inline]
    pub(crate) fn new(inner: B, exchange: OpenExchange) -> Self {
        Self { inner, exchange }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline(always)]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let panic_guard = PanicGuard::new(this.exchange);
        let polled = this.inner.as_mut().poll_frame(cx);
        panic_guard.disarm();
        // The frame is only borrowed: to take it out and put it back would copy it.
        if let Poll::Ready(frame) = &polled {
            match frame {
                None => this.exchange.on_body_end(),
                Some(Err(_)) => this.exchange.finish(Outcome::BodyError),
                Some(Ok(frame)) => {
                    // Nothing follows trailers. The end is detected now, because there may be no other poll: servers drop a
                    // body that says that it has ended. HTTP/1 servers also drop a body whose declared length is written.
                    let is_last = || frame.is_trailers() || this.inner.is_end_stream();
                    this.exchange.on_frame(frame, is_last);
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// For outer layers that respond on their own (a timeout, a limit) with an empty body.
impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::new(B::default(), OpenExchange::default())
    }
}
