use crate::body::ResponseBody;
use crate::labels::Ending;
use crate::recorder::Exchange;
use http::{Method, Response};
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
        exchange: Option<Exchange>,
        asked: Asked,
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn new(inner: F, exchange: Exchange, asked: Asked) -> Self {
        Self { inner, exchange: Some(exchange), asked }
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
        // On the stack while the service runs: a panic drops it during the unwinding, and so it knows. Whoever catches the
        // panic drops the future only afterwards.
        let exchange = this.exchange.take();
        match this.inner.poll(cx) {
            Poll::Pending => {
                *this.exchange = exchange;
                Poll::Pending
            }
            Poll::Ready(Ok(response)) => Poll::Ready(Ok(answer(response, exchange, *this.asked))),
            Poll::Ready(Err(error)) => {
                if let Some(exchange) = exchange {
                    exchange.finish(Ending::ServiceError);
                }
                Poll::Ready(Err(error))
            }
        }
    }
}

/// What the request's method says about the response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Body,
    HeadOnly,
    Tunnel,
}

impl Asked {
    pub(crate) fn by(method: &Method) -> Self {
        match *method {
            Method::HEAD => Self::HeadOnly,
            Method::CONNECT => Self::Tunnel,
            _ => Self::Body,
        }
    }
}

fn answer<B: Body>(
    response: Response<B>,
    exchange: Option<Exchange>,
    asked: Asked,
) -> Response<ResponseBody<B>> {
    let (parts, body) = response.into_parts();
    let Some(mut exchange) = exchange else {
        return Response::from_parts(parts, ResponseBody::unobserved(body));
    };
    exchange.answered(parts.status);
    let body = match without_body(&parts, asked) {
        Some(ending) => {
            exchange.finish(ending);
            ResponseBody::unobserved(body)
        }
        None => ResponseBody::new(body, &parts.headers, exchange),
    };
    Response::from_parts(parts, body)
}

/// How the exchange ends when no body follows this head, whatever body object the service returned: servers never poll
/// that one (RFC 9110, section 6.4.1).
fn without_body(parts: &http::response::Parts, asked: Asked) -> Option<Ending> {
    match (asked, parts.status.as_u16()) {
        (_, 101) | (Asked::Tunnel, 200..=299) => Some(Ending::Upgrade),
        (Asked::HeadOnly, _) | (_, 204 | 304) => Some(Ending::Complete),
        _ => None,
    }
}
