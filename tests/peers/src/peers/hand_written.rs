//! A Tower layer for libraries that have none: what an engineer writes who wants few instructions and closed labels.
//!
//! It records a request when the service responds, as most layers do. It does less than ours: it does not see how the body
//! ends, nor a request whose future is dropped, and it has no in-flight gauge.

use crate::recorded::count_in_text;
use axum::extract::MatchedPath;
use axum::http::{self, Request, Response, StatusCode};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tower::{Layer, Service};

/// A library's counter and histogram.
pub trait Metrics {
    fn record(&self, exchange: Exchange);
}

/// What they are told of a request: the counter has all three labels, the histogram not the status.
pub struct Exchange {
    pub method: Method,
    /// `None` if no route matched.
    pub endpoint: Option<MatchedPath>,
    pub status: StatusCode,
    pub duration: Duration,
}

/// A method, or [`Other`](Self::Other): a client cannot add series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, measured::FixedCardinalityLabel)]
#[label(rename_all = "SHOUTY_SNAKE_CASE")]
pub enum Method {
    Connect,
    Delete,
    Get,
    Head,
    Options,
    Patch,
    Post,
    Put,
    Trace,
    #[label(rename = "_OTHER")]
    Other,
}

impl Method {
    fn of(method: &http::Method) -> Self {
        match *method {
            http::Method::CONNECT => Self::Connect,
            http::Method::DELETE => Self::Delete,
            http::Method::GET => Self::Get,
            http::Method::HEAD => Self::Head,
            http::Method::OPTIONS => Self::Options,
            http::Method::PATCH => Self::Patch,
            http::Method::POST => Self::Post,
            http::Method::PUT => Self::Put,
            http::Method::TRACE => Self::Trace,
            _ => Self::Other,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Delete => "DELETE",
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Trace => "TRACE",
            Self::Other => "_OTHER",
        }
    }
}

pub struct HandWritten<M>(Arc<M>);

impl<M> HandWritten<M> {
    pub fn new(metrics: M) -> Self {
        Self(Arc::new(metrics))
    }
}

impl<M> Clone for HandWritten<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M, S> Layer<S> for HandWritten<M> {
    type Service = HandWrittenService<M, S>;

    fn layer(&self, inner: S) -> Self::Service {
        HandWrittenService { inner, metrics: Arc::clone(&self.0) }
    }
}

pub struct HandWrittenService<M, S> {
    inner: S,
    metrics: Arc<M>,
}

impl<M, S: Clone> Clone for HandWrittenService<M, S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), metrics: Arc::clone(&self.metrics) }
    }
}

impl<M: Metrics, S, A, B> Service<Request<A>> for HandWrittenService<M, S>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = HandWrittenFuture<M, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let start = Instant::now();
        let method = Method::of(request.method());
        let endpoint = request.extensions().get().cloned();
        let inner = self.inner.call(request);
        HandWrittenFuture { inner, metrics: Arc::clone(&self.metrics), start, method, endpoint }
    }
}

pin_project_lite::pin_project! {
    pub struct HandWrittenFuture<M, F> {
        #[pin]
        inner: F,
        metrics: Arc<M>,
        start: Instant,
        method: Method,
        endpoint: Option<MatchedPath>,
    }
}

impl<M: Metrics, F, B, E> Future for HandWrittenFuture<M, F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let output = ready!(this.inner.poll(cx));
        if let Ok(response) = &output {
            this.metrics.record(Exchange {
                method: *this.method,
                endpoint: this.endpoint.take(),
                status: response.status(),
                duration: this.start.elapsed(),
            });
        }
        Poll::Ready(output)
    }
}

/// What text has of the two metrics.
pub fn recorded_in(text: &str, endpoint: &str) -> u64 {
    let metrics = ["http_requests_total", "http_request_duration_seconds_count"];
    count_in_text(text, &metrics, "endpoint", endpoint)
}

/// As in ours.
pub const BOUNDARIES: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// The label of a request that no route matched.
pub const NO_ENDPOINT: &str = "_NONE";
