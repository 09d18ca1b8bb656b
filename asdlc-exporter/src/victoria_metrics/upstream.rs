//! Sends a query to `VictoriaMetrics` and checks the head of its response.

use super::{
    api_error::{ApiError, ApiErrorType},
    base_url::BaseUrl,
    connection_pool::{ConnectionPool, PooledBody, SendError},
    connector::Connector,
    error::{QueryProxyError, QueryProxyErrorKind},
    media_type::{FORM, JSON, has_media_type},
    route::Route,
    upstream_error,
};
use crate::redact;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
        HOST, RETRY_AFTER, TRANSFER_ENCODING, USER_AGENT,
    },
    response::Parts,
};
use http_body_util::Full;
use std::{
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// A query of `VictoriaMetrics`. The path is that of the route, and `params` writes the form. So
/// the only text of a client is the query, which is encoded again. Equal calls get the same
/// response.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Call {
    pub(super) route: Route,
    pub(super) form: String,
    /// The timeout that the upstream gets. The form has it too.
    pub(super) timeout: Duration,
    /// Whether the response may be compressed.
    pub(super) gzip: bool,
}

/// A response whose head was accepted by `check_head`.
#[derive(Debug)]
pub(super) struct UpstreamResponse {
    pub(super) gzip: bool,
    pub(super) length: Option<u64>,
    pub(super) body: PooledBody,
}

#[derive(Debug)]
pub(super) struct Upstream {
    pool: ConnectionPool,
    base: BaseUrl,
    /// The header `Host`.
    host: HeaderValue,
    /// The header `Authorization`.
    authorization: Option<HeaderValue>,
    /// The path of the base URL.
    prefix: String,
    /// The `errorType` of the last call, if that call failed. A failure with another `errorType` is
    /// logged as a warning.
    last_failure: Mutex<Option<&'static str>>,
}

impl Upstream {
    pub(super) fn new(connector: Connector, base: BaseUrl) -> Result<Self, QueryProxyError> {
        let invalid = || QueryProxyError::from(QueryProxyErrorKind::Url);
        let uri: Uri = base.url().parse().map_err(|_| invalid())?;
        let host = uri.authority().ok_or_else(invalid)?.as_str();
        let host = HeaderValue::from_str(host).map_err(|_| invalid())?;
        let authorization = base.authorization();
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let pool = ConnectionPool::new(connector, uri);
        Ok(Self { pool, base, host, authorization, prefix, last_failure: Mutex::default() })
    }

    /// Sends a call, and checks the head of the response. Dropping the future closes the connection, and
    /// that cancels the query.
    pub(super) async fn send(&self, call: &Call) -> Result<UpstreamResponse, ApiError> {
        // Only the health query is hedged, because it costs the upstream almost nothing.
        let hedge_delay = matches!(call.route, Route::Health).then_some(call.timeout / 3);
        let response = self.pool.send(self.request(call), hedge_delay).await;
        let (head, body) = response.map_err(|error| self.send_error(&error))?.into_parts();
        let error = match check_head(&head) {
            Ok(AcceptedHead { gzip, length }) => {
                return Ok(UpstreamResponse { gzip, length, body });
            }
            Err(error) => error,
        };
        let text = upstream_error::read_body(&head.headers, body).await;
        let query_error = match error.error_type {
            ApiErrorType::ForeignError => {
                upstream_error::query_error(head.status, &head.headers, &text)
            }
            _ => None,
        };
        match query_error {
            Some(query_error) => {
                self.record_success();
                Err(query_error)
            }
            None => Err(self.log_rejected(error, head.status, &text)),
        }
    }

    /// Records that a call succeeded, so that the next failure is logged as a warning.
    pub(super) fn record_success(&self) {
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Logs a response that cannot be passed on, with its status and the start of its body.
    pub(super) fn log_rejected(
        &self,
        error: ApiError,
        status: StatusCode,
        body: &[u8],
    ) -> ApiError {
        let start = &body[..body.len().min(MAX_LOGGED)];
        let start = self.base.redact(&String::from_utf8_lossy(start));
        let status = status.as_u16();
        let cause = match start.is_empty() {
            true => format!("status {status} with an empty body"),
            false => format!("status {status}: `{start}`"),
        };
        self.log_failure(error.error_type, &cause);
        error
    }

    fn request(&self, call: &Call) -> Request<Full<Bytes>> {
        let Call { route, form, timeout: _, gzip } = call;
        let (prefix, path) = (&self.prefix, route.upstream_path());
        // A proxy in front of VictoriaMetrics may refuse long URLs that VictoriaMetrics accepts.
        let request = if form.len() <= MAX_URL_FORM {
            Request::get(format!("{prefix}{path}?{form}")).body(Full::default())
        } else {
            let request = Request::builder().method(Method::POST).uri(format!("{prefix}{path}"));
            request.header(CONTENT_TYPE, FORM).body(Full::from(form.clone()))
        };
        let mut request = request.expect("a checked prefix, a constant and a form are a valid URI");
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static(JSON));
        let encoding = if *gzip { "gzip" } else { "identity" };
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        if let Some(value) = &self.authorization {
            headers.insert(AUTHORIZATION, value.clone());
        }
        request
    }

    fn send_error(&self, error: &SendError) -> ApiError {
        let (error, cause) = match error {
            SendError::Connect(error) => {
                let message = "VictoriaMetrics cannot be reached";
                (ApiError::new(ApiErrorType::Unreachable, message), redact::error(&**error))
            }
            SendError::Lost(error) if error.is_parse() => {
                let message = "VictoriaMetrics did not respond in HTTP";
                (ApiError::bad_response(message), redact::error(error))
            }
            SendError::Lost(error) => (ApiError::connection_lost(), redact::error(error)),
        };
        self.log_failure(error.error_type, &cause);
        error
    }

    /// Logs a failure. The cause may have details that clients must not see.
    pub(super) fn log_failure(&self, error_type: ApiErrorType, cause: &str) {
        let name = Some(error_type.name());
        // The lock is released before the event is logged, because the subscriber is user code.
        let last = mem::replace(
            &mut *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner),
            name,
        );
        if last == name {
            tracing::debug!("query of {} failed: {cause}", self.base.url());
        } else {
            tracing::warn!("query of {} failed: {cause}", self.base.url());
        }
    }
}

/// The head of a response that may be passed on.
struct AcceptedHead {
    gzip: bool,
    length: Option<u64>,
}

/// Decides whether a response may be passed on.
fn check_head(head: &Parts) -> Result<AcceptedHead, ApiError> {
    if head.status != StatusCode::OK {
        return Err(status_error(head));
    }
    let headers = &head.headers;
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // Without a length, a response that was cut off would look complete.
    if length.is_none() && !headers.contains_key(TRANSFER_ENCODING) {
        return Err(ApiError::bad_response("VictoriaMetrics responded without a length"));
    }
    if !has_media_type(headers, JSON) {
        return Err(ApiError::bad_response("VictoriaMetrics did not respond in JSON"));
    }
    let gzip = match headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => false,
        Some(b"gzip") => true,
        Some(_) => {
            return Err(ApiError::bad_response("VictoriaMetrics responded in an unknown encoding"));
        }
    };
    Ok(AcceptedHead { gzip, length })
}

/// The error for a status other than 200.
fn status_error(head: &Parts) -> ApiError {
    match head.status {
        StatusCode::TOO_MANY_REQUESTS => ApiError::too_many_requests(retry_after(&head.headers)),
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            let message = "VictoriaMetrics does not accept the credentials of this service";
            ApiError::new(ApiErrorType::Credentials, message)
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            ApiError::bad_response("there is no query API at the URL of VictoriaMetrics")
        }
        status if status.is_client_error() => {
            let message = "VictoriaMetrics, or a proxy in front of it, refused the request";
            ApiError::new(ApiErrorType::ForeignError, message)
        }
        status if status.is_server_error() => {
            let message = "VictoriaMetrics is not available";
            let retry_after = Some(retry_after(&head.headers));
            ApiError { retry_after, ..ApiError::new(ApiErrorType::Unavailable, message) }
        }
        status if status.is_redirection() => ApiError::bad_response(
            "VictoriaMetrics responded with a redirect, which is not followed",
        ),
        _ => ApiError::bad_response("VictoriaMetrics responded with an unexpected status"),
    }
}

/// `Retry-After` in seconds, 1 to 3600; 1 for a date.
fn retry_after(headers: &HeaderMap) -> u32 {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(1, |seconds: u32| seconds.clamp(1, 3600))
}

/// The maximum length, in bytes, of a form in the URL. A longer form is the body of a `POST`.
const MAX_URL_FORM: usize = 2048;

/// The part of a body that is logged, in bytes.
const MAX_LOGGED: usize = 2048;

const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
