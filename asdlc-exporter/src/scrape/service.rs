use crate::{
    exposition::format::Output,
    scrape::{
        body::ScrapeBody,
        content_type::content_type,
        encode::content_encoding,
        endpoint::ScrapeEndpoint,
        pending::{Exposition, ExpositionBody, ScrapeResult},
        queue::InFlight,
        request::ScrapeRequest,
    },
};
use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode, Version,
    header::{ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, VARY},
};
use http_body::Body as _;
use std::{
    convert::Infallible,
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Instant, SystemTime},
};
use tower_service::Service;

/// Responds to scrapes. A `tower::Service` to mount under the path of your choice.
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
/// | request | response |
/// |---|---|
/// | `GET` | 200, `Content-Type: text/plain; version=0.0.4; charset=utf-8` |
/// | `GET` that prefers `OpenMetrics`, by `Accept` | 200, `Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores` |
/// | `GET` that prefers text format 1.0.0, by `Accept` | 200, `Content-Type: text/plain; version=1.0.0; charset=utf-8; escaping=underscores` |
/// | `GET` that prefers protobuf, by `Accept` with `proto=io.prometheus.client.MetricFamily` and `encoding=delimited` | 200, `Content-Type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores` |
/// | `GET` with `escaping` (`allow-utf-8`, `underscores`, `dots` or `values`) in `Accept` | the same, with UTF-8 names or with escaped names. Default: `underscores`. Text format 0.0.4 never has UTF-8 names |
/// | `GET` that accepts `gzip` or `zstd`, by `Accept-Encoding` | the same, compressed (features `gzip`, on by default, and `zstd`) |
/// | `GET` with `name[]=orders_total` in the query | the same, but only the families of these names. If there are none: a comment, and in protobuf an empty body |
/// | `HEAD` | the headers of `GET` and no body. `Content-Length` is there if the response to `GET` is one piece |
/// | other methods | 405 with `Allow: GET, HEAD` |
/// | `GET` or `HEAD`, but the metrics could not be collected | 503 and the [`ScrapeError`](crate::ScrapeError) as text |
/// | `GET` or `HEAD`, but the response would be late ([`with_scrape_timeout`]) | 503, in time |
/// | `GET` or `HEAD`, but too many scrapes wait already ([`with_max_scrapes_in_flight`]) | 503, immediately |
///
/// # Large expositions
///
/// A response of at most 1 MiB before compression is sent in one piece, with `Content-Length`. A larger one is
/// streamed: it is written while the client reads it, and has no `Content-Length`. At most 4 MiB are written
/// and not yet read, for all clients together. So a large scrape takes only a few megabytes of memory. A
/// response begins after everything was collected. So it is a 503 if the collection fails.
///
/// A streamed response can be aborted: its [body](ScrapeBody) ends with an error. The server then closes the
/// connection, so that the client cannot take an incomplete response for a complete one. This happens
///
/// * when the time of the scrape is over ([`with_scrape_timeout`]). It includes the time to read the response;
/// * earlier, if the client does not read and other scrapes wait for it. A client may keep them waiting for 1
///   second, and for 1 more second for each 16 MiB that it reads. So a client that reads 16 MiB a second
///   is never aborted early;
/// * if the compression fails, or writing panics, which is a bug.
///
/// A server cannot close a connection before it has sent what it already took from the body. If a client does
/// not read at all, the server keeps this memory until a timeout of the server ends the connection, such as
/// `ServerBuilder::with_write_timeout` of the feature `serve`.
///
/// A client with `HTTP/1.0` needs `Content-Length`: without it, the end of the connection is the end of the
/// body, and an incomplete body looks complete. So a large exposition is written twice for such a client:
/// first to measure it, and then to send it.
///
/// # Details
///
/// A response never repeats anything of the request. Each response has the header
/// `Process-Start-Time-Unix`: when the exporter was built, in whole seconds since 1970.
///
/// The exporter collects on a thread of its own. So the threads that serve requests stay free, and no
/// async runtime is needed. Scrapes that wait at the same time share one collection. It begins after they
/// arrived, so the response has everything that was recorded before the scrape.
///
/// A client may allow less time than the exporter, with the header
/// `X-Prometheus-Scrape-Timeout-Seconds`. This affects only its own response, not the sources and not
/// other clients. The scrape waits for [sources](crate::Source) for at most half of this time, and
/// then continues with the values that were stored before. When the whole time is over, the
/// response is a 503. If the header has several values, the smallest applies. A value is ignored if
/// it is not a number, is below 0.001 or is too large to be a duration.
///
/// [`with_scrape_timeout`]: crate::ExporterBuilder::with_scrape_timeout
/// [`with_max_scrapes_in_flight`]: crate::ExporterBuilder::with_max_scrapes_in_flight
#[derive(Clone)]
pub struct ScrapeService {
    endpoint: Arc<ScrapeEndpoint>,
}

impl ScrapeService {
    pub(crate) fn new(endpoint: Arc<ScrapeEndpoint>) -> Self {
        Self { endpoint }
    }
}

impl<B> Service<Request<B>> for ScrapeService {
    type Response = Response<ScrapeBody>;
    type Error = Infallible;
    type Future = ScrapeFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ScrapeFuture {
        let needs_length = request.version() < Version::HTTP_11;
        let request = ScrapeRequest::of(request.method(), request.uri(), request.headers());
        let new = |request| ScrapeProgress::New(request, needs_length);
        let progress = request.map_or(ScrapeProgress::NotAllowed, new);
        ScrapeFuture { endpoint: self.endpoint.clone(), progress }
    }
}

impl fmt::Debug for ScrapeService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeService").finish_non_exhaustive()
    }
}

/// The future of a response of [`ScrapeService`].
#[must_use = "futures do nothing unless polled"]
pub struct ScrapeFuture {
    endpoint: Arc<ScrapeEndpoint>,
    progress: ScrapeProgress,
}

#[derive(Debug)]
enum ScrapeProgress {
    NotAllowed,
    /// The request, and whether the client needs the length before the body.
    New(ScrapeRequest, bool),
    Waiting(InFlight, ResponseForm, Measurement),
    Done,
}

/// What the response depends on, in addition to the result of the scrape.
#[derive(Clone, Copy, Debug)]
struct ResponseForm {
    output: Output,
    is_head: bool,
}

impl Future for ScrapeFuture {
    type Output = Result<Response<ScrapeBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { endpoint, progress } = &mut *self;
        let mut response = loop {
            // The waker may panic: `progress` stays as it is until there is a result.
            if let ScrapeProgress::Waiting(in_flight, ..) = progress {
                let Poll::Ready(result) = in_flight.poll(cx) else { return Poll::Pending };
                let waited = mem::replace(progress, ScrapeProgress::Done);
                let ScrapeProgress::Waiting(in_flight, form, measurement) = waited else {
                    return Poll::Pending;
                };
                if let Ok(Exposition { body: ExpositionBody::Streamed(reader, _), .. }) = &result {
                    // The scrape is in flight until its body has ended.
                    reader.on_end(Box::new(move |bytes| {
                        measurement.end(StatusCode::OK, bytes);
                        drop(in_flight);
                    }));
                    break respond(result, form);
                }
                break measurement.respond(respond(result, form));
            }
            match mem::replace(progress, ScrapeProgress::Done) {
                ScrapeProgress::NotAllowed => break not_allowed(),
                ScrapeProgress::New(request, needs_length) => {
                    let form = ResponseForm { output: request.output(), is_head: request.is_head };
                    let measurement = Measurement::begin(endpoint.clone());
                    match endpoint.enqueue(request, needs_length) {
                        Ok(in_flight) => {
                            *progress = ScrapeProgress::Waiting(in_flight, form, measurement);
                        }
                        Err(error) => {
                            break measurement.respond(respond(Err(Arc::new(error)), form));
                        }
                    }
                }
                ScrapeProgress::Waiting(..) | ScrapeProgress::Done => return Poll::Pending,
            }
        };
        if let Ok(since_1970) = endpoint.built_at().duration_since(SystemTime::UNIX_EPOCH) {
            response.headers_mut().insert(PROCESS_START_TIME, since_1970.as_secs().into());
        }
        Poll::Ready(Ok(response))
    }
}

impl fmt::Debug for ScrapeFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeFuture").field("progress", &self.progress).finish_non_exhaustive()
    }
}

/// Counts one scrape in the self-metrics, if the exporter has them. Dropping it without
/// [`end`](Self::end) means that the client is gone.
struct Measurement {
    endpoint: Arc<ScrapeEndpoint>,
    start: Instant,
}

impl Measurement {
    fn begin(endpoint: Arc<ScrapeEndpoint>) -> Self {
        if let Some(metrics) = endpoint.collector().self_metrics() {
            metrics.scrape_started();
        }
        Self { endpoint, start: Instant::now() }
    }

    /// Measures a response that is one piece.
    fn respond(self, response: Response<ScrapeBody>) -> Response<ScrapeBody> {
        let bytes = response.body().size_hint().lower();
        self.end(response.status(), bytes);
        response
    }

    fn end(self, status: StatusCode, bytes: u64) {
        if let Some(metrics) = self.endpoint.collector().self_metrics() {
            metrics.scrape_responded(status.as_u16(), bytes, self.start.elapsed());
        }
    }
}

impl Drop for Measurement {
    fn drop(&mut self) {
        if let Some(metrics) = self.endpoint.collector().self_metrics() {
            metrics.scrape_ended();
        }
    }
}

impl fmt::Debug for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measurement").field("start", &self.start).finish_non_exhaustive()
    }
}

fn not_allowed() -> Response<ScrapeBody> {
    let body = Bytes::from_static(b"only GET and HEAD\n");
    let mut response = response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, body);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn respond(
    result: ScrapeResult,
    ResponseForm { output, is_head }: ResponseForm,
) -> Response<ScrapeBody> {
    let mut response = match result {
        Ok(Exposition { body, encoding }) => {
            let content_type = content_type(output);
            let mut response = match body {
                ExpositionBody::Whole(bytes) => response(StatusCode::OK, content_type, bytes),
                ExpositionBody::Streamed(reader, length) => {
                    let body = ScrapeBody::streamed(reader, length);
                    response_of_length(StatusCode::OK, content_type, body, length)
                }
                ExpositionBody::Omitted => {
                    let body = ScrapeBody::omitted();
                    response_of_length(StatusCode::OK, content_type, body, None)
                }
            };
            if let Some(encoding) = content_encoding(encoding) {
                response.headers_mut().insert(CONTENT_ENCODING, encoding);
            }
            response
        }
        Err(error) => response(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{error}\n").into()),
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if is_head && response.headers().contains_key(CONTENT_LENGTH) {
        *response.body_mut() = ScrapeBody::whole(Bytes::new());
    }
    response
}

fn response(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<ScrapeBody> {
    let length = body.len() as u64;
    response_of_length(status, content_type, ScrapeBody::whole(body), Some(length))
}

fn response_of_length(
    status: StatusCode,
    content_type: HeaderValue,
    body: ScrapeBody,
    length: Option<u64>,
) -> Response<ScrapeBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    // For `HEAD`, the body is empty, so a server cannot compute the length from the body.
    if let Some(length) = length {
        response.headers_mut().insert(CONTENT_LENGTH, length.into());
    }
    response
}

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const PROCESS_START_TIME: HeaderName = HeaderName::from_static("process-start-time-unix");
