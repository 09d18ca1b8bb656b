use crate::labels::outcome::Outcome;
use crate::service::exchange::Exchange;
use crate::service::panic_guard::PanicGuard;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The response body of [`HttpClientMetrics`](crate::HttpClientMetrics). It observes the body of the inner service up to its end.
    ///
    /// Frames, errors, trailers, `size_hint` and `is_end_stream` are those of the inner body, unchanged.
    #[derive(Debug)]
    pub struct ClientResponseBody<B> {
        #[pin]
        inner: B,
        // `None` if the request is excluded.
        exchange: Option<Exchange>,
        is_read: bool,
    }

    impl<B> PinnedDrop for ClientResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(exchange) = this.exchange.as_mut().filter(|_| !*this.is_read) {
                exchange.on_unread();
            }
        }
    }
}

impl<B> ClientResponseBody<B> {
    #[inline]
    pub(crate) fn new(inner: B, exchange: Option<Exchange>) -> Self {
        Self { inner, exchange, is_read: false }
    }
}

impl<B: Body> Body for ClientResponseBody<B>
where
    B::Error: 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline(always)]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        *this.is_read = true;
        let panic_guard = PanicGuard::new(this.exchange);
        let polled = this.inner.as_mut().poll_frame(cx);
        panic_guard.disarm();
        let frame = ready!(polled);
        if let Some(exchange) = this.exchange {
            match &frame {
                None => exchange.on_body_end(),
                Some(Err(error)) => exchange.finish_with_error(error, Outcome::BodyError),
                Some(Ok(frame)) => {
                    let is_last = frame.is_trailers() || this.inner.is_end_stream();
                    exchange.on_frame(frame, is_last);
                }
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

/// For outer layers that respond on their own (a timeout, a cache) with an empty body.
impl<B: Default> Default for ClientResponseBody<B> {
    fn default() -> Self {
        Self::new(B::default(), None)
    }
}
