use crate::exporter::Exporter;
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::Full;
use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
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
/// | `HEAD` | the headers of `GET`, `Content-Length` included, and no body |
/// | other methods | 405 with `Allow: GET, HEAD` |
/// | `GET` or `HEAD` when there is nothing true to tell | 503 and the [`ScrapeError`](crate::ScrapeError) as text |
///
/// Path, query, headers and body of the request are ignored. The metrics are collected when the
/// future is polled, on that thread.
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
        ScrapeFuture { exporter: self.exporter.clone(), method: request.method().clone() }
    }
}

/// The answer of a [`ScrapeService`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ScrapeFuture {
    exporter: Exporter,
    method: Method,
}

impl Future for ScrapeFuture {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(answer(&self.exporter, &self.method)))
    }
}

fn answer(exporter: &Exporter, method: &Method) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        let mut response =
            response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET and HEAD\n".into());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let mut response = match exporter.render() {
        Ok(text) => response(StatusCode::OK, TEXT_0_0_4, text.into()),
        Err(error) => response(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{error}\n").into()),
    };
    if method == Method::HEAD {
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
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
