//! Spans, and requests that begin in one span and end in another.

use crate::common::{Script, Step};
use crate::meter::Of;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use opentelemetry::Context as OtelContext;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tower::Service;

/// The span of all code that is not part of the request: what a layer would take if it took the current span too late.
pub(crate) const SOMEBODY_ELSES: u64 = 0xe15e;

pub(crate) fn span(id: u64, is_sampled: bool) -> SpanContext {
    let flags = if is_sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
    let (trace, span) = (TraceId::from(u128::from(id) << 64 | 1), SpanId::from(id));
    SpanContext::new(trace, span, flags, false, TraceState::NONE)
}

/// What the measurements belong to if the request has this sampled span.
pub(crate) fn of(id: u64) -> Of {
    Of::Span(u128::from(id) << 64 | 1, id)
}

pub(crate) fn in_span<T>(span: SpanContext, run: impl FnOnce() -> T) -> T {
    let _guard = OtelContext::new().with_remote_span_context(span).attach();
    run()
}

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    Complete,
    /// A 404 without a body.
    NotFound,
    NeverPolled,
    Cancelled,
    Aborted,
    ServiceError,
    BodyError,
    TooShort,
    PanicInCall,
    PanicInFuture,
    PanicInBody,
}

impl End {
    pub(crate) const ALL: [Self; 11] = [
        Self::Complete,
        Self::NotFound,
        Self::NeverPolled,
        Self::Cancelled,
        Self::Aborted,
        Self::ServiceError,
        Self::BodyError,
        Self::TooShort,
        Self::PanicInCall,
        Self::PanicInFuture,
        Self::PanicInBody,
    ];

    pub(crate) fn has_head(self) -> bool {
        matches!(
            self,
            Self::Complete
                | Self::NotFound
                | Self::Aborted
                | Self::BodyError
                | Self::TooShort
                | Self::PanicInBody
        )
    }

    pub(crate) fn has_failed(self) -> bool {
        self != Self::Complete
    }

    /// What a service does with a request that ends like this.
    pub(crate) fn respond<B>(
        self,
        request: Request<B>,
    ) -> impl Future<Output = Result<Response<Script>, &'static str>> {
        assert_ne!(self, Self::PanicInCall, "on purpose");
        async move {
            drop(request);
            let response = |steps: Vec<Step>| Ok(Response::new(Script::new(steps)));
            match self {
                Self::NeverPolled | Self::Cancelled => pending().await,
                Self::ServiceError => Err("broken"),
                Self::PanicInFuture => panic!("on purpose"),
                Self::NotFound => Ok(Response::builder()
                    .status(404)
                    .body(Script::new([]).that_reports_its_end())
                    .unwrap()),
                Self::BodyError => response(vec![Step::Data("a"), Step::Fail]),
                Self::PanicInBody => response(vec![Step::Data("a"), Step::Panic]),
                Self::TooShort => {
                    Ok(Response::new(Script::new([Step::Data("a")]).with_exact_size(2)))
                }
                _ => response(vec![Step::Data("a"), Step::Pending, Step::Data("b")]),
            }
        }
    }

    /// Sends a request to the service in the current span. The rest happens in somebody else's span.
    pub(crate) fn send<S, R, B>(self, service: &mut S, request: Request<R>)
    where
        S: Service<Request<R>, Response = Response<B>>,
        B: Body,
    {
        let call = catch_unwind(AssertUnwindSafe(|| service.call(request)));
        in_span(span(SOMEBODY_ELSES, true), || {
            let Ok(future) = call else { return };
            if self != Self::NeverPolled {
                _ = catch_unwind(AssertUnwindSafe(|| self.read(future)));
            }
        });
    }

    fn read<B: Body, E>(self, future: impl Future<Output = Result<Response<B>, E>>) {
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(response)) = pin!(future).poll(&mut context) else { return };
        let mut body = pin!(response.into_body());
        loop {
            match pin!(body.frame()).poll(&mut context) {
                Poll::Ready(Some(Ok(_))) if self != Self::Aborted => {}
                Poll::Pending => {}
                Poll::Ready(_) => return,
            }
        }
    }
}

pub(crate) fn request() -> Request<Empty<&'static [u8]>> {
    Request::new(Empty::new())
}
