//! The call of the inner service, which may have to wait until that service is ready.

use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_service::Service;

pin_project! {
    /// `F` is the future of the inner service, and `N` is [`NotCalled`].
    #[project = InnerCallProjection]
    pub(crate) enum InnerCall<F, N> {
        Called {
            #[pin]
            future: F,
        },
        // Boxed, so that the future of a request that does not wait is no larger.
        NotCalled {
            state: NotCalledState<N>,
        },
    }
}

/// A request that the inner service did not take at once.
pub(crate) enum NotCalled<S, R, E> {
    /// The service was not ready yet.
    Waiting { service: S, request: R },
    /// The service will never be ready: `poll_ready` returned an error.
    Failed { error: E },
}

/// `None` once the service was called or the error was returned.
pub(crate) struct NotCalledState<N>(Option<Box<N>>);

impl<N> Drop for NotCalledState<N> {
    #[inline(always)]
    fn drop(&mut self) {
        // A function of its own: the drop of a call that was made then saves no registers for this.
        #[cold]
        #[inline(never)]
        fn drop_boxed<N>(_: Box<N>) {}
        if let Some(not_called) = self.0.take() {
            drop_boxed(not_called);
        }
    }
}

impl<F, S, R, E> InnerCall<F, NotCalled<S, R, E>> {
    #[inline]
    pub(crate) fn called(future: F) -> Self {
        Self::Called { future }
    }

    #[cold]
    pub(crate) fn waiting(service: S, request: R) -> Self {
        Self::NotCalled {
            state: NotCalledState(Some(Box::new(NotCalled::Waiting { service, request }))),
        }
    }

    #[cold]
    pub(crate) fn failed(error: E) -> Self {
        Self::NotCalled { state: NotCalledState(Some(Box::new(NotCalled::Failed { error }))) }
    }
}

impl<F, S, R, E> InnerCall<F, NotCalled<S, R, E>>
where
    F: Future<Output = Result<S::Response, E>>,
    S: Service<R, Future = F, Error = E>,
{
    #[inline]
    pub(crate) fn poll_response(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if let InnerCallProjection::NotCalled { state } = self.as_mut().project() {
            let future = match ready!(NotCalled::poll_call(&mut state.0, cx)) {
                Ok(future) => future,
                Err(error) => return Poll::Ready(Err(error)),
            };
            self.set(Self::Called { future });
        }
        match self.project() {
            InnerCallProjection::Called { future } => future.poll(cx),
            InnerCallProjection::NotCalled { .. } => Poll::Pending,
        }
    }
}

impl<S: Service<R>, R> NotCalled<S, R, S::Error> {
    /// Calls the service as soon as it is ready, and returns its future.
    #[cold]
    fn poll_call(
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::future::Ready;
    use std::sync::Arc;

    //
    #[test]
    fn a_request_that_is_dropped_while_it_waits_is_freed_with_its_service() {
        type Waiting = NotCalled<Arc<()>, Arc<()>, Infallible>;
        let counted = Arc::new(());
        let [service, request] = [(); 2].map(|()| Arc::clone(&counted));
        let call = InnerCall::<Ready<()>, Waiting>::waiting(service, request);
        assert_eq!(Arc::strong_count(&counted), 3);
        drop(call);
        assert_eq!(Arc::strong_count(&counted), 1);
    }
}
