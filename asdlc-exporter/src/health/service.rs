//! The tower services for liveness and readiness.

use super::{
    readiness::Readiness,
    response::{HealthRequest, HealthResponse, HealthStatus},
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

/// Reports that the process is alive, and its uptime.
///
/// ```
/// use asdlc_exporter::health::LivenessService;
/// use axum::Router;
///
/// let app: Router = Router::new().route_service("/health", LivenessService::new());
/// ```
///
/// It checks nothing outside of the process and responds immediately. The [module's table](super) has
/// the responses.
#[derive(Clone, Debug)]
pub struct LivenessService {
    start: Instant,
}

impl LivenessService {
    /// Creates the service. `uptime_seconds` is the time since this call.
    #[expect(clippy::new_without_default, reason = "the result depends on the time of the call")]
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
        let uptime = self.start.elapsed();
        future::ready(Ok(match HealthRequest::new(request.method(), request.headers()) {
            Ok(request) => request.respond(&HealthStatus::Alive, uptime),
            Err(not_allowed) => not_allowed,
        }))
    }
}

/// Reports whether requests should be sent to this process. Created by [`Readiness::service`].
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
/// The [module's table](super) has the responses.
#[derive(Clone, Debug)]
pub struct ReadinessService {
    readiness: Readiness,
    start: Instant,
}

impl Readiness {
    /// Creates the service that reports whether this process is ready.
    #[must_use]
    pub fn service(&self) -> ReadinessService {
        ReadinessService { readiness: self.clone(), start: Instant::now() }
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
        let request = HealthRequest::new(request.method(), request.headers());
        let Self { readiness, start } = self.clone();
        ReadinessFuture(Box::pin(async move {
            let request = match request {
                Ok(request) => request,
                Err(not_allowed) => return not_allowed,
            };
            let report = if readiness.is_draining() { None } else { readiness.report().await };
            let status = match report.as_deref() {
                // `drain` may have been called during the checks.
                _ if readiness.is_draining() => HealthStatus::Draining,
                Some(report) => HealthStatus::Checked(report),
                None => HealthStatus::Unknown,
            };
            request.respond(&status, start.elapsed())
        }))
    }
}

/// The future of a [`ReadinessService`].
///
/// # Panics
///
/// When polled outside of a Tokio runtime with its time driver, because the checks run there.
#[must_use = "futures do nothing unless polled"]
pub struct ReadinessFuture(Pin<Box<dyn Future<Output = HealthResponse> + Send>>);

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
