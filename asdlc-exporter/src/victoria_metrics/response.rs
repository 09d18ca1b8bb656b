//! A response to a client: its status, its headers and its content.

use super::{
    api_error::ApiError,
    body::QueryProxyBody,
    envelope::{ErrorResponse, to_json},
    instruments::{Exchange, OK},
    media_type::JSON,
    shared_call::CallResponse,
    streamed::StreamedResponse,
    swagger_ui::PageFile,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER, VARY,
    },
};
use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct ProxyResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    content: ResponseContent,
    /// The outcome that is recorded when the whole response was sent.
    pub(super) outcome: &'static str,
}

#[derive(Debug)]
enum ResponseContent {
    Complete(Bytes),
    Streamed(StreamedResponse),
}

impl ProxyResponse {
    pub(super) fn new(status: StatusCode, bytes: Bytes) -> Self {
        let content = ResponseContent::Complete(bytes);
        Self { status, headers: HeaderMap::new(), content, outcome: OK }
    }

    pub(super) fn json(bytes: Bytes) -> Self {
        let mut response = Self::new(StatusCode::OK, bytes);
        response.headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        response.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    pub(super) fn error(error: &ApiError) -> Self {
        let mut response = Self::json(to_json(&ErrorResponse::new(error)));
        response.status = error.error_type.status();
        response.outcome = error.error_type.name();
        if let Some(seconds) = error.retry_after {
            response.headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }

    /// The body of the upstream, with the headers of the proxy.
    pub(super) fn passed_on(response: CallResponse) -> Self {
        let (gzip, content) = match response {
            CallResponse::Complete { gzip, bytes } => (gzip, ResponseContent::Complete(bytes)),
            CallResponse::Streamed(streamed) => {
                (streamed.gzip, ResponseContent::Streamed(streamed))
            }
        };
        let mut response = Self { content, ..Self::json(Bytes::new()) };
        response.headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if gzip {
            response.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    pub(super) fn redirect(location: &'static str) -> Self {
        let mut response = Self::new(StatusCode::PERMANENT_REDIRECT, Bytes::new());
        response.headers.insert(LOCATION, HeaderValue::from_static(location));
        response
    }

    pub(super) fn file(PageFile { content_type, bytes }: PageFile) -> Self {
        let mut response = Self::new(StatusCode::OK, bytes);
        response.headers.insert(CONTENT_TYPE, content_type);
        response.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    /// Creates the HTTP response. For `HEAD`, it has the length of the body but no body.
    pub(super) fn into_http(
        self,
        is_head: bool,
        deadline: Instant,
        exchange: Exchange,
    ) -> Response<QueryProxyBody> {
        let Self { status, mut headers, content, outcome } = self;
        let length = match &content {
            ResponseContent::Complete(_) if status == StatusCode::NO_CONTENT => None,
            ResponseContent::Complete(bytes) => Some(bytes.len() as u64),
            ResponseContent::Streamed(streamed) => streamed.length,
        };
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        let body = match content {
            _ if is_head => QueryProxyBody::complete(Bytes::new(), exchange, outcome),
            ResponseContent::Complete(bytes) => QueryProxyBody::complete(bytes, exchange, outcome),
            ResponseContent::Streamed(streamed) => {
                QueryProxyBody::streamed(streamed, deadline, exchange)
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}
