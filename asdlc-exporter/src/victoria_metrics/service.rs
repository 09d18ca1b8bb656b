//! The tower service: checks a request, sends its query, and creates the response.

use super::{
    api_error::{ApiError, ApiErrorType},
    body::QueryProxyBody,
    cors::Cors,
    envelope::{Healthy, Services, Unhealthy, UpstreamData, to_json},
    instruments::{Exchange, Instruments},
    openapi,
    params::{InstantQuery, RangeQuery, Time, health_form, services_form},
    request,
    response::ProxyResponse,
    route::Route,
    settings::Settings,
    shared_call::{CallResponse, SharedCalls},
    swagger_ui,
    upstream::{Call, Upstream},
};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::ALLOW, request::Parts};
use http_body::Body;
use opentelemetry::metrics::Meter;
use std::{
    convert::Infallible,
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, SystemTime},
};
use tokio::time::Instant;
use tower_service::Service;

/// Serves queries of a `VictoriaMetrics`; see the [module](super).
///
/// Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub struct QueryProxy {
    handler: Arc<Handler>,
}

#[derive(Debug)]
struct Handler {
    /// `None` if there is no URL.
    calls: Option<Arc<SharedCalls>>,
    settings: Settings,
    cors: Cors,
    instruments: Arc<Instruments>,
}

impl QueryProxy {
    pub(super) fn new(
        upstream: Option<Upstream>,
        settings: Settings,
        cors: Cors,
        meter: &Meter,
    ) -> Self {
        let instruments = Instruments::new(meter);
        let Settings { max_in_flight, max_response_bytes, .. } = settings;
        let calls = upstream.map(|upstream| {
            let instruments = Arc::clone(&instruments);
            SharedCalls::new(upstream, max_in_flight, max_response_bytes, instruments)
        });
        Self { handler: Arc::new(Handler { calls, settings, cors, instruments }) }
    }
}

impl<B> Service<Request<B>> for QueryProxy
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<QueryProxyBody>;
    type Error = Infallible;
    type Future = QueryProxyFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> QueryProxyFuture {
        let handler = Arc::clone(&self.handler);
        let (head, body) = request.into_parts();
        let route = Route::find(head.uri.path()).map(|(route, _)| route);
        let exchange = Exchange::begin(Arc::clone(&handler.instruments), route);
        QueryProxyFuture(Box::pin(async move {
            let deadline = Instant::now() + handler.settings.timeout;
            let grant = handler.cors.grant(&head.headers);
            let response = handler.respond(&head, body, deadline).await;
            let mut response = response.unwrap_or_else(|error| ProxyResponse::error(&error));
            if head.method == Method::OPTIONS {
                grant.apply_preflight(&mut response.headers);
            }
            grant.apply(&mut response.headers);
            if response.status == StatusCode::METHOD_NOT_ALLOWED {
                if let Some(route) = route {
                    response.headers.insert(ALLOW, route.methods());
                }
            }
            response.into_http(head.method == Method::HEAD, deadline, exchange)
        }))
    }
}

impl Handler {
    async fn respond<B>(
        &self,
        head: &Parts,
        body: B,
        deadline: Instant,
    ) -> Result<ProxyResponse, ApiError>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (route, file) = self.check(Route::find(head.uri.path()).ok_or_else(|| {
            ApiError::new(ApiErrorType::NotFound, "unknown path: see openapi.json")
        }))?;
        if head.method == Method::OPTIONS {
            let mut response = ProxyResponse::new(StatusCode::NO_CONTENT, Bytes::new());
            response.headers.insert(ALLOW, route.methods());
            return Ok(response);
        }
        if !route.allows(&head.method) {
            let message = "the method is not allowed for this path";
            return self.check(Err(ApiError::new(ApiErrorType::MethodNotAllowed, message)));
        }
        match route {
            Route::OpenApi => return Ok(ProxyResponse::json(openapi::json())),
            Route::Docs => return self.check(docs(file)),
            Route::QueryRange | Route::Query | Route::Services | Route::Health => {}
        }
        let calls = self.check(self.calls.as_ref().ok_or_else(ApiError::not_configured))?;
        let allowed = match route {
            Route::QueryRange => RangeQuery::ALLOWED,
            Route::Query => InstantQuery::ALLOWED,
            _ => &[],
        };
        let pairs = self.check(request::pairs(head, body, allowed, deadline).await)?;
        let now = Time::now(SystemTime::now());
        let timeout = self.upstream_timeout();
        let gzip = request::accepts_gzip(&head.headers);
        match route {
            Route::QueryRange => {
                let query = RangeQuery::new(pairs, now, self.settings.max_points);
                let form = self.check(query)?.to_form(timeout);
                let call = Call { route, form, timeout, gzip };
                calls.send(call, deadline).await.map(ProxyResponse::passed_on)
            }
            Route::Query => {
                let form = self.check(InstantQuery::new(pairs, now))?.to_form(timeout);
                let call = Call { route, form, timeout, gzip };
                calls.send(call, deadline).await.map(ProxyResponse::passed_on)
            }
            Route::Services => {
                let form = services_form(now, self.settings.services_window, timeout);
                let call = Call { route, form, timeout, gzip: false };
                let bytes = complete(calls.send(call, deadline).await?)?;
                let services = Services::new(UpstreamData::parse(&bytes)?);
                Ok(ProxyResponse::json(to_json(&services)))
            }
            _ => Ok(self.health(calls, deadline).await),
        }
    }

    async fn health(&self, calls: &Arc<SharedCalls>, deadline: Instant) -> ProxyResponse {
        let start = Instant::now();
        let timeout = self.upstream_timeout().min(MAX_HEALTH_TIME);
        let form = health_form(timeout);
        let call = Call { route: Route::Health, form, timeout, gzip: false };
        let response = calls.send(call, deadline.min(start + MAX_HEALTH_TIME)).await;
        let data = response.and_then(complete).and_then(|bytes| UpstreamData::parse(&bytes));
        let latency_ms = (start.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        match data {
            Ok(data) => ProxyResponse::json(to_json(&Healthy::new(data, latency_ms))),
            Err(error) => {
                let mut response =
                    ProxyResponse::json(to_json(&Unhealthy::new(&error, latency_ms)));
                response.status = StatusCode::SERVICE_UNAVAILABLE;
                response.outcome = error.error_type.name();
                response
            }
        }
    }

    /// Counts an error as rejected: the request was refused without a call of the upstream.
    fn check<T>(&self, checked: Result<T, ApiError>) -> Result<T, ApiError> {
        checked.inspect_err(|error| self.instruments.rejected(error.error_type))
    }

    /// The timeout that the proxy sends to the upstream. It is shorter than the timeout of the proxy, so
    /// that the error of the upstream arrives in time.
    fn upstream_timeout(&self) -> Duration {
        let Settings { timeout, .. } = self.settings;
        timeout - (timeout / 20).min(Duration::from_secs(1))
    }
}

/// A file of Swagger UI. `docs` is redirected to `docs/`, because the links of the page are relative to
/// that folder.
fn docs(file: Option<&str>) -> Result<ProxyResponse, ApiError> {
    match file {
        None => Ok(ProxyResponse::redirect("docs/")),
        Some(name) => {
            let not_found = || ApiError::new(ApiErrorType::NotFound, "unknown file");
            Ok(ProxyResponse::file(swagger_ui::file(name).ok_or_else(not_found)?))
        }
    }
}

/// The bytes of a response that the proxy decodes. It is never streamed: see `SharedCalls::prefetch`.
fn complete(response: CallResponse) -> Result<Bytes, ApiError> {
    match response {
        CallResponse::Complete { bytes, .. } => Ok(bytes),
        CallResponse::Streamed(_) => Err(ApiError::too_large()),
    }
}

/// The future of a [`QueryProxy`]. Dropping it cancels the query.
///
/// # Panics
///
/// When polled outside of a Tokio runtime with its IO and time drivers.
#[must_use = "futures do nothing unless polled"]
pub struct QueryProxyFuture(Pin<Box<dyn Future<Output = Response<QueryProxyBody>> + Send>>);

impl Future for QueryProxyFuture {
    type Output = Result<Response<QueryProxyBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context).map(Ok)
    }
}

impl fmt::Debug for QueryProxyFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryProxyFuture").finish_non_exhaustive()
    }
}

/// The limit of a health query.
const MAX_HEALTH_TIME: Duration = Duration::from_secs(5);
