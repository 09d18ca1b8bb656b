use crate::{
    error::ScrapeError,
    exporter::exporter::Exporter,
    families::model::Format,
    scrape::{
        encode::content_encoding,
        pending::{Answer, Body as AnswerBody},
        queue::InFlight,
        request::Wanted,
    },
};
use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, VARY},
};
use http_body::Body as _;
use http_body_util::Full;
use std::{
    convert::Infallible,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};
use tower_service::Service;

/// Answers scrapes: a `tower::Service` to mount under the path of your choice.
///
/// ```
/// use asdlc_exporter::Exporter;
/// use axum::Router;
///
/// # fn main() -> Result<(), asdlc_exporter::BuildError> {
/// let exporter = Exporter::builder("shop").build()?;
/// let app: Router = Router::new().route_service("/metrics", exporter.scrape_service());
/// # Ok(()) }
/// ```
///
/// | request | answer |
/// |---|---|
/// | `GET` | 200, `Content-Type: text/plain; version=0.0.4; charset=utf-8` |
/// | … that likes `OpenMetrics` better, by `Accept` | 200, `Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8` |
/// | … that takes `gzip` or `zstd`, by `Accept-Encoding` | the same, compressed (features `gzip`, on by default, and `zstd`) |
/// | … with `name[]=orders_total` in the query | the same, but only of the families of these names; a comment if there are none |
/// | `HEAD` | the headers of `GET`, `Content-Length` included, and no body |
/// | other methods | 405 with `Allow: GET, HEAD` |
/// | `GET` or `HEAD` when there is nothing true to tell | 503 and the [`ScrapeError`](crate::ScrapeError) as text |
/// | … when the answer would come too late ([`with_scrape_timeout`]) | 503, in time |
/// | … when too many wait already ([`with_max_scrapes_in_flight`]) | 503, at once |
///
/// Nothing of the request comes back in the answer. Each has `Process-Start-Time-Unix`: the second
/// in which the exporter was built.
///
/// Metrics are collected on a thread of the exporter's own, so that the threads that serve requests
/// stay free and no runtime is needed. Scrapes that wait at the same time share one collection,
/// which begins after they came: what was recorded before a scrape is in its answer.
///
/// A client may allow less time than the exporter, with the header
/// `X-Prometheus-Scrape-Timeout-Seconds`. This affects only its own answer, not the sources and not
/// other clients. The scrape waits for [sources](crate::Source) for half of this time and then answers
/// with the values that are there, or with a 503 when the time is over. If there are several values,
/// the smallest counts. A value that is not a number, below 0.001 or too large to be a duration is
/// ignored.
///
/// [`with_scrape_timeout`]: crate::ExporterBuilder::with_scrape_timeout
/// [`with_max_scrapes_in_flight`]: crate::ExporterBuilder::with_max_scrapes_in_flight
#[derive(Clone, Debug)]
pub struct ScrapeService {
    exporter: Exporter,
}

impl ScrapeService {
    pub(crate) fn new(exporter: Exporter) -> Self {
        Self { exporter }
    }
}

impl<B> Service<Request<B>> for ScrapeService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = ScrapeFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ScrapeFuture {
        let wanted = Wanted::of(request.method(), request.uri(), request.headers());
        let state = wanted.map_or(State::NotAllowed, State::New);
        ScrapeFuture { exporter: self.exporter.clone(), state }
    }
}

/// The answer of a [`ScrapeService`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ScrapeFuture {
    exporter: Exporter,
    state: State,
}

#[derive(Debug)]
enum State {
    NotAllowed,
    New(Wanted),
    Waiting(InFlight, Shape, Measured),
    Done,
}

/// What the answer looks like, whatever it is.
#[derive(Clone, Copy, Debug)]
struct Shape {
    format: Format,
    is_head: bool,
}

impl Future for ScrapeFuture {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { exporter, state } = &mut *self;
        let mut response = loop {
            // The waker may panic: until there is an answer the state stays what it is.
            if let State::Waiting(in_flight, ..) = state {
                let Poll::Ready(result) = in_flight.poll(cx) else { return Poll::Pending };
                let State::Waiting(_, shape, measured) = mem::replace(state, State::Done) else {
                    return Poll::Pending;
                };
                break measured.end(answer(result, shape));
            }
            match mem::replace(state, State::Done) {
                State::NotAllowed => break not_allowed(),
                State::New(wanted) => {
                    let shape = Shape { format: wanted.format(), is_head: wanted.is_head };
                    let measured = Measured::begin(exporter.clone());
                    match enqueue(exporter, wanted) {
                        Ok(in_flight) => *state = State::Waiting(in_flight, shape, measured),
                        Err(error) => break measured.end(answer(Err(Arc::new(error)), shape)),
                    }
                }
                State::Waiting(..) | State::Done => return Poll::Pending,
            }
        };
        if let Ok(since) = exporter.start().duration_since(SystemTime::UNIX_EPOCH) {
            response.headers_mut().insert(PROCESS_START_TIME, since.as_secs().into());
        }
        Poll::Ready(Ok(response))
    }
}

fn enqueue(exporter: &Exporter, wanted: Wanted) -> Result<InFlight, ScrapeError> {
    let Wanted { query, encoding, timeout, is_head: _ } = wanted;
    let limits = exporter.limits();
    let timeout = timeout.map_or(limits.timeout, |timeout| timeout.min(limits.timeout));
    let now = Instant::now();
    // So far away that it never comes, for a timeout beyond all clocks.
    let deadline = now.checked_add(timeout).unwrap_or(now + FOREVER);
    exporter.desk().enqueue(query, encoding, deadline, limits.in_flight)
}

/// Measures one scrape, if it is to be measured; dropped, the scrape was given up.
#[derive(Debug)]
struct Measured {
    exporter: Exporter,
    start: Instant,
}

impl Measured {
    fn begin(exporter: Exporter) -> Self {
        if let Some(metrics) = exporter.self_metrics() {
            metrics.arrived();
        }
        Self { exporter, start: Instant::now() }
    }

    fn end(self, response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        if let Some(metrics) = self.exporter.self_metrics() {
            let bytes = response.body().size_hint().lower();
            metrics.answered(response.status().as_u16(), bytes, self.start.elapsed());
        }
        response
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if let Some(metrics) = self.exporter.self_metrics() {
            metrics.left();
        }
    }
}

fn not_allowed() -> Response<Full<Bytes>> {
    let body = Bytes::from_static(b"only GET and HEAD\n");
    let mut response = response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, body);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn answer(answer: Answer, Shape { format, is_head }: Shape) -> Response<Full<Bytes>> {
    let mut response = match answer {
        Ok(AnswerBody { bytes, encoding }) => {
            let content_type = match format {
                Format::Text => TEXT_0_0_4,
                Format::OpenMetrics => OPEN_METRICS_1_0_0,
            };
            let mut response = response(StatusCode::OK, content_type, bytes);
            if let Some(encoding) = content_encoding(encoding) {
                response.headers_mut().insert(CONTENT_ENCODING, encoding);
            }
            response
        }
        Err(error) => response(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{error}\n").into()),
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if is_head {
        *response.body_mut() = Full::default();
    }
    response
}

fn response(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<Full<Bytes>> {
    let length = body.len().into();
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    // Explicit, so that HEAD has it too.
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

const TEXT_0_0_4: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const OPEN_METRICS_1_0_0: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const PROCESS_START_TIME: HeaderName = HeaderName::from_static("process-start-time-unix");
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
