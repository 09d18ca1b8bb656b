//! The two services.

use super::{
    readiness::Readiness,
    response::{Answer, Asked, State},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use std::{
    convert::Infallible,
    fmt,
    future::{self, Ready},
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};
use tower_service::Service;

/// Answers that the process is alive, and for how long.
///
/// ```
/// use asdlc_exporter::health::LivenessService;
/// use axum::Router;
///
/// let app: Router = Router::new().route_service("/health", LivenessService::new());
/// ```
///
/// It looks at nothing outside of the process, and answers at once. The answers are in the
/// [module's table](super).
#[derive(Clone, Debug)]
pub struct LivenessService {
    start: Instant,
}

impl LivenessService {
    /// `uptime_seconds` counts from here.
    #[expect(clippy::new_without_default, reason = "two of them would not be equal")]
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl<B> Service<Request<B>> for LivenessService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let asked = Asked::new(request.method(), request.headers());
        let answer = |asked: Asked| asked.answer(&State::Alive, self.start.elapsed());
        future::ready(Ok(asked.map_or_else(|refused| refused, answer)))
    }
}

/// Answers whether the service is ready; made by [`Readiness::service`].
///
/// ```
/// use asdlc_exporter::health::Readiness;
/// use axum::Router;
///
/// # fn main() -> Result<(), asdlc_exporter::health::HealthError> {
/// let readiness = Readiness::builder().build()?;
/// let app: Router = Router::new().route_service("/ready", readiness.service());
/// # Ok(()) }
/// ```
///
/// The answers are in the [module's table](super).
#[derive(Clone, Debug)]
pub struct ReadinessService {
    readiness: Readiness,
    start: Instant,
}

impl ReadinessService {
    pub(super) fn new(readiness: Readiness) -> Self {
        Self { readiness, start: Instant::now() }
    }
}

impl<B> Service<Request<B>> for ReadinessService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = ReadinessFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ReadinessFuture {
        let asked = Asked::new(request.method(), request.headers());
        let Self { readiness, start } = self.clone();
        ReadinessFuture(Box::pin(async move {
            let asked = match asked {
                Ok(asked) => asked,
                Err(refused) => return refused,
            };
            let report = if readiness.is_draining() { None } else { readiness.report().await };
            let state = match report.as_deref() {
                // That may have begun meanwhile.
                _ if readiness.is_draining() => State::Draining,
                Some(report) => State::Found(report),
                None => State::Unknown,
            };
            asked.answer(&state, start.elapsed())
        }))
    }
}

/// The answer of a [`ReadinessService`].
///
/// # Panics
///
/// When polled outside of a Tokio runtime with its time driver: the checks run there.
#[must_use = "futures do nothing unless polled"]
pub struct ReadinessFuture(Pin<Box<dyn Future<Output = Answer> + Send>>);

impl Future for ReadinessFuture {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context).map(Ok)
    }
}

impl fmt::Debug for ReadinessFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadinessFuture").finish_non_exhaustive()
    }
}
