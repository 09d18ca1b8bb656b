use crate::labels::outcome::Ending;
use crate::service::exchange::{Exchange, Watch};
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
        state: State<S::Future, NotCalled<S, Request<ReqBody>, S::Error>>,
        // None of a request that is excluded.
        exchange: Option<Exchange>,
    }
}

pin_project! {
    #[project = StateProjection]
    pub(crate) enum State<F, N> {
        Called {
            #[pin]
            inner: F,
        },
        // Boxed: the future of a request that need not wait is no larger for it.
        NotCalled {
            // None once it is done.
            state: Option<Box<N>>,
        },
    }
}

/// A request that the service inside did not take at once.
pub(crate) enum NotCalled<S, R, E> {
    /// The service was not ready yet.
    Waiting { service: S, request: R },
    /// The service was not ready, and never will be.
    Failed { error: E },
}

impl<F, S, R, E> State<F, NotCalled<S, R, E>> {
    #[inline]
    pub(crate) fn called(inner: F) -> Self {
        Self::Called { inner }
    }

    #[cold]
    pub(crate) fn waiting(service: S, request: R) -> Self {
        Self::NotCalled { state: Some(Box::new(NotCalled::Waiting { service, request })) }
    }

    #[cold]
    pub(crate) fn failed(error: E) -> Self {
        Self::NotCalled { state: Some(Box::new(NotCalled::Failed { error })) }
    }
}

impl<F, S, R, E> State<F, NotCalled<S, R, E>>
where
    F: Future<Output = Result<S::Response, E>>,
    S: Service<R, Future = F, Error = E>,
{
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if let StateProjection::NotCalled { state } = self.as_mut().project() {
            let inner = match ready!(NotCalled::poll(state, cx)) {
                Ok(inner) => inner,
                Err(error) => return Poll::Ready(Err(error)),
            };
            self.set(Self::Called { inner });
        }
        match self.project() {
            StateProjection::Called { inner } => inner.poll(cx),
            StateProjection::NotCalled { .. } => Poll::Pending,
        }
    }
}

impl<S: Service<R>, R> NotCalled<S, R, S::Error> {
    /// Calls the service as soon as it is ready.
    #[cold]
    fn poll(
        state: &mut Option<Box<Self>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<S::Future, S::Error>> {
        let ready = match state.as_deref_mut() {
            Some(Self::Waiting { service, .. }) => ready!(service.poll_ready(cx)),
            Some(Self::Failed { .. }) => Ok(()),
            None => return Poll::Pending,
        };
        let taken = state.take();
        ready?;
        match taken.map(|taken| *taken) {
            Some(Self::Waiting { mut service, request }) => Poll::Ready(Ok(service.call(request))),
            Some(Self::Failed { error }) => Poll::Ready(Err(error)),
            None => Poll::Pending,
        }
    }
}

impl<S, ReqBody> ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    #[inline]
    pub(crate) fn new(
        state: State<S::Future, NotCalled<S, Request<ReqBody>, S::Error>>,
        exchange: Option<Exchange>,
    ) -> Self {
        Self { state, exchange }
    }
}

impl<S, ReqBody, B> Future for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<B>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let watch = Watch::start(this.exchange);
        let polled = this.state.poll(cx);
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

impl<S, ReqBody> fmt::Debug for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}
