use super::{
    api_error::{Failure, Kind},
    body::QueryProxyBody,
    cors::Cors,
    envelope::{ErrorAnswer, Healthy, Said, Services, Unhealthy, to_json},
    instruments::{Exchange, Instruments, OK},
    openapi,
    params::{InstantQuery, RangeQuery, Time, probe, services},
    request,
    route::Route,
    settings::Settings,
    shared_call::{Answer, Flights, Long},
    swagger_ui,
    upstream::{Call, Upstream},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION,
        RETRY_AFTER, VARY,
    },
    request::Parts,
};
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

/// Answers queries with what a `VictoriaMetrics` says; see the [module](super).
///
/// Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub struct QueryProxy {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// `None`: not configured.
    flights: Option<Arc<Flights>>,
    settings: Settings,
    cors: Cors,
    instruments: Arc<Instruments>,
}

/// An answer before it is one of HTTP.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    content: Content,
    outcome: &'static str,
}

#[derive(Debug)]
enum Content {
    Bytes(Bytes),
    Long(Long),
}

impl QueryProxy {
    pub(super) fn new(
        upstream: Option<Upstream>,
        settings: Settings,
        cors: Cors,
        meter: &Meter,
    ) -> Self {
        let instruments = Instruments::new(meter);
        let Settings { max_in_flight, max_answer_bytes, .. } = settings;
        let flights = upstream.map(|upstream| {
            Flights::new(upstream, max_in_flight, max_answer_bytes, Arc::clone(&instruments))
        });
        Self { inner: Arc::new(Inner { flights, settings, cors, instruments }) }
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
        let inner = Arc::clone(&self.inner);
        let (head, body) = request.into_parts();
        let route = Route::find(head.uri.path()).map(|(route, _)| route);
        let exchange = Exchange::begin(Arc::clone(&inner.instruments), route);
        QueryProxyFuture(Box::pin(async move {
            let deadline = Instant::now() + inner.settings.timeout;
            let grant = inner.cors.grant(&head.headers);
            let reply = inner.reply(&head, body, deadline).await;
            let mut reply = reply.unwrap_or_else(|failure| Reply::failed(&failure));
            if head.method == Method::OPTIONS {
                grant.preflight(&mut reply.headers);
            }
            grant.apply(&mut reply.headers);
            if let Some(route) = route
                && reply.status == StatusCode::METHOD_NOT_ALLOWED
            {
                reply.headers.insert(ALLOW, route.methods());
            }
            reply.into_response(head.method == Method::HEAD, deadline, exchange)
        }))
    }
}

impl Inner {
    async fn reply<B>(&self, head: &Parts, body: B, deadline: Instant) -> Result<Reply, Failure>
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (route, file) = self.check(Route::find(head.uri.path()).ok_or_else(|| {
            Failure::new(Kind::NotFound, "there is no such path here: see openapi.json")
        }))?;
        if head.method == Method::OPTIONS {
            let mut reply = Reply::new(StatusCode::NO_CONTENT, Bytes::new());
            reply.headers.insert(ALLOW, route.methods());
            return Ok(reply);
        }
        if !route.allows(&head.method) {
            let failure = Failure::new(Kind::MethodNotAllowed, "the method is not allowed here");
            return self.check(Err(failure));
        }
        match route {
            Route::OpenApi => return Ok(Reply::json(openapi::json())),
            Route::Docs => return self.check(docs(file)),
            Route::QueryRange | Route::Query | Route::Services | Route::Health => {}
        }
        let flights = self.check(self.flights.as_ref().ok_or_else(Failure::not_configured))?;
        let allowed = match route {
            Route::QueryRange => RangeQuery::ALLOWED,
            Route::Query => InstantQuery::ALLOWED,
            _ => &[],
        };
        let pairs = self.check(request::pairs(head, body, allowed, deadline).await)?;
        let now = Time::now(SystemTime::now());
        let give_up = self.give_up();
        let gzip = request::accepts_gzip(&head.headers);
        match route {
            Route::QueryRange => {
                let query = RangeQuery::new(pairs, now, self.settings.max_points);
                let form = self.check(query)?.to_form(give_up);
                let call = Call { route, form, give_up, gzip };
                flights.ask(call, deadline).await.map(Reply::passed_on)
            }
            Route::Query => {
                let form = self.check(InstantQuery::new(pairs, now))?.to_form(give_up);
                let call = Call { route, form, give_up, gzip };
                flights.ask(call, deadline).await.map(Reply::passed_on)
            }
            Route::Services => {
                let form = services(now, self.settings.services_window, give_up);
                let call = Call { route, form, give_up, gzip: false };
                let said = Said::read(&whole(flights.ask(call, deadline).await?)?)?;
                Ok(Reply::json(to_json(&Services::new(said))))
            }
            _ => Ok(self.health(flights, deadline).await),
        }
    }

    async fn health(&self, flights: &Arc<Flights>, deadline: Instant) -> Reply {
        let start = Instant::now();
        let give_up = self.give_up().min(MAX_HEALTH);
        let call = Call { route: Route::Health, form: probe(give_up), give_up, gzip: false };
        let found = flights.ask(call, deadline.min(start + MAX_HEALTH)).await;
        let found = found.and_then(whole).and_then(|bytes| Said::read(&bytes));
        let latency_ms = (start.elapsed().as_secs_f64() * 1e6).round() / 1e3;
        match found {
            Ok(said) => Reply::json(to_json(&Healthy::new(said, latency_ms))),
            Err(failure) => {
                let mut reply = Reply::json(to_json(&Unhealthy::new(&failure, latency_ms)));
                reply.status = StatusCode::SERVICE_UNAVAILABLE;
                reply.outcome = failure.kind.name();
                reply
            }
        }
    }

    /// Counts what is refused here.
    fn check<T>(&self, checked: Result<T, Failure>) -> Result<T, Failure> {
        checked.inspect_err(|failure| self.instruments.rejected(failure.kind))
    }

    /// When the upstream should: before this side does, so that its reason is told.
    fn give_up(&self) -> Duration {
        let Settings { timeout, .. } = self.settings;
        timeout - (timeout / 20).min(Duration::from_secs(1))
    }
}

impl Reply {
    fn new(status: StatusCode, bytes: Bytes) -> Self {
        let content = Content::Bytes(bytes);
        Self { status, headers: HeaderMap::new(), content, outcome: OK }
    }

    fn json(bytes: Bytes) -> Self {
        let mut reply = Self::new(StatusCode::OK, bytes);
        reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        reply.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        reply
    }

    /// The bytes of the upstream, under headers of ours.
    fn passed_on(answer: Answer) -> Self {
        let (gzip, content) = match answer {
            Answer::Whole { gzip, bytes } => (gzip, Content::Bytes(bytes)),
            Answer::Long(long) => (long.gzip, Content::Long(long)),
        };
        let mut reply = Self { content, ..Self::json(Bytes::new()) };
        reply.headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if gzip {
            reply.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        reply
    }

    fn failed(failure: &Failure) -> Self {
        let mut reply = Self::json(to_json(&ErrorAnswer::new(failure)));
        reply.status = failure.kind.status();
        reply.outcome = failure.kind.name();
        if let Some(seconds) = failure.retry_after {
            reply.headers.insert(RETRY_AFTER, seconds.into());
        }
        reply
    }

    fn into_response(
        self,
        head: bool,
        deadline: Instant,
        exchange: Exchange,
    ) -> Response<QueryProxyBody> {
        let Self { status, mut headers, content, outcome } = self;
        let length = match &content {
            Content::Bytes(_) if status == StatusCode::NO_CONTENT => None,
            Content::Bytes(bytes) => Some(bytes.len() as u64),
            Content::Long(long) => long.length,
        };
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        let body = match content {
            _ if head => QueryProxyBody::whole(Bytes::new(), exchange, outcome),
            Content::Bytes(bytes) => QueryProxyBody::whole(bytes, exchange, outcome),
            Content::Long(long) => QueryProxyBody::long(long, deadline, exchange),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// A file of the page; the folder without its `/` leads to the one with it, below which its links
/// work.
fn docs(file: Option<&str>) -> Result<Reply, Failure> {
    let Some(file) = file else {
        let mut reply = Reply::new(StatusCode::PERMANENT_REDIRECT, Bytes::new());
        reply.headers.insert(LOCATION, HeaderValue::from_static("docs/"));
        return Ok(reply);
    };
    let not_found = || Failure::new(Kind::NotFound, "there is no such file here");
    let swagger_ui::File { content_type, bytes } = swagger_ui::file(file).ok_or_else(not_found)?;
    let mut reply = Reply::new(StatusCode::OK, bytes);
    reply.headers.insert(CONTENT_TYPE, content_type);
    reply.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(reply)
}

/// An answer that is decoded; what is too long for that has failed before.
fn whole(answer: Answer) -> Result<Bytes, Failure> {
    match answer {
        Answer::Whole { bytes, .. } => Ok(bytes),
        Answer::Long(_) => Err(Failure::too_large()),
    }
}

/// The answer of a [`QueryProxy`]. Dropping it cancels the query.
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

/// A probe waits no longer.
const MAX_HEALTH: Duration = Duration::from_secs(5);
