//! One exchange with `VictoriaMetrics`, up to the head of its answer.

use super::{
    api_error::{Failure, Kind},
    base_url::Base,
    connection_pool::{AnswerBody, Connections, SendError},
    error::{QueryProxyError, QueryProxyErrorKind},
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
use hyper_util::client::legacy::connect::HttpConnector;
use std::{
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

#[cfg(not(feature = "victoria-metrics-tls"))]
pub(super) type Connector = HttpConnector;
#[cfg(feature = "victoria-metrics-tls")]
pub(super) type Connector = hyper_rustls::HttpsConnector<HttpConnector>;

/// What is asked. Its parts are ours: the path is of the route, the form is written by `params`.
/// Equal calls have the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Call {
    pub(super) route: Route,
    pub(super) form: String,
    /// When the upstream gives up, as the form says.
    pub(super) give_up: Duration,
    /// Whether the answer may be compressed.
    pub(super) gzip: bool,
}

/// An answer that has the right head.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) gzip: bool,
    pub(super) length: Option<u64>,
    pub(super) body: AnswerBody,
}

#[derive(Debug)]
pub(super) struct Upstream {
    connections: Connections,
    base: Base,
    /// `Host`
    host: HeaderValue,
    /// The path of the base URL.
    prefix: String,
    /// How the last exchange failed, so that the log has each kind of failure once.
    failing: Mutex<Option<&'static str>>,
}

impl Upstream {
    pub(super) fn new(
        base: Base,
        #[cfg(feature = "victoria-metrics-tls")] root_certificates: Option<&[u8]>,
    ) -> Result<Self, QueryProxyError> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        #[cfg(feature = "victoria-metrics-tls")]
        let connector = super::connector::connector(tcp, base.url(), root_certificates)?;
        #[cfg(not(feature = "victoria-metrics-tls"))]
        let connector = tcp;
        let refused = || QueryProxyError::from(QueryProxyErrorKind::Url);
        let uri: Uri = base.url().parse().map_err(|_| refused())?;
        let host = uri.authority().ok_or_else(refused)?.as_str();
        let host = HeaderValue::from_str(host).map_err(|_| refused())?;
        let prefix = uri.path().trim_end_matches('/').to_owned();
        let connections = Connections::new(connector, uri);
        Ok(Self { connections, base, host, prefix, failing: Mutex::default() })
    }

    /// Dropping the future closes the connection, and with it ends the query.
    pub(super) async fn ask(&self, call: &Call) -> Result<Reply, Failure> {
        // Only what costs nothing is asked twice.
        let patience = matches!(call.route, Route::Health).then_some(call.give_up / 3);
        let answer = self.connections.send(self.request(call), patience).await;
        let (head, body) = answer.map_err(|error| self.lost(&error))?.into_parts();
        let failure = match judge(&head) {
            Ok(Passable { gzip, length }) => return Ok(Reply { gzip, length, body }),
            Err(failure) => failure,
        };
        let said = upstream_error::read(&head.headers, body).await;
        if failure.kind == Kind::ForeignError
            && let Some(failure) = upstream_error::of_query(head.status, &head.headers, &said)
        {
            self.answered();
            return Err(failure);
        }
        Err(self.rejected(failure, head.status, &said))
    }

    /// An exchange went well.
    pub(super) fn answered(&self) {
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// An answer cannot be passed on: the log has its status and how its body begins.
    pub(super) fn rejected(&self, failure: Failure, status: StatusCode, said: &[u8]) -> Failure {
        let begin = &said[..said.len().min(MAX_SAID)];
        let begin = self.base.without_secrets(&String::from_utf8_lossy(begin));
        let status = status.as_u16();
        match begin.is_empty() {
            true => self.report(failure.kind, &format!("answered {status} without a reason")),
            false => self.report(failure.kind, &format!("answered {status}: `{begin}`")),
        }
        failure
    }

    fn request(&self, call: &Call) -> Request<Full<Bytes>> {
        let Call { route, form, give_up: _, gzip } = call;
        let (prefix, path) = (&self.prefix, route.asks());
        // What stands between may not take as long a URL as VictoriaMetrics does.
        let request = if form.len() <= MAX_URL_FORM {
            Request::get(format!("{prefix}{path}?{form}")).body(Full::default())
        } else {
            let request = Request::builder().method(Method::POST).uri(format!("{prefix}{path}"));
            let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            request.body(Full::from(form.clone()))
        };
        let mut request = request.expect("a checked prefix, a constant and a form are a path");
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let encoding = if *gzip { "gzip" } else { "identity" };
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        if let Some(value) = self.base.authorization() {
            headers.insert(AUTHORIZATION, value.clone());
        }
        request
    }

    fn lost(&self, error: &SendError) -> Failure {
        let (failure, cause) = match error {
            SendError::Connect(error) => {
                let failure = Failure::new(Kind::Unreachable, "VictoriaMetrics cannot be reached");
                (failure, redact::error(&**error))
            }
            SendError::Lost(error) if error.is_parse() => {
                let failure = Failure::bad_answer("VictoriaMetrics did not answer in HTTP");
                (failure, redact::error(error))
            }
            SendError::Lost(error) => (Failure::connection_lost(), redact::error(error)),
        };
        self.report(failure.kind, &cause);
        failure
    }

    /// For those who run the service: it may name what clients must not see.
    pub(super) fn report(&self, kind: Kind, cause: &str) {
        let name = Some(kind.name());
        // Subscribers are not ours: they run without the lock.
        let last =
            mem::replace(&mut *self.failing.lock().unwrap_or_else(PoisonError::into_inner), name);
        if last == name {
            tracing::debug!("query of {} failed: {cause}", self.base.url());
        } else {
            tracing::warn!("query of {} failed: {cause}", self.base.url());
        }
    }
}

/// What is known of an answer that may be passed on.
struct Passable {
    gzip: bool,
    length: Option<u64>,
}

/// Whether an answer may be passed on.
fn judge(head: &Parts) -> Result<Passable, Failure> {
    match head.status {
        StatusCode::OK => {}
        StatusCode::TOO_MANY_REQUESTS => return Err(Failure::busy(retry_after(&head.headers))),
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            let message = "VictoriaMetrics does not accept the credentials of this service";
            return Err(Failure::new(Kind::Credentials, message));
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            return Err(Failure::bad_answer(
                "there is no query API where VictoriaMetrics should be",
            ));
        }
        status if status.is_client_error() => {
            let message = "VictoriaMetrics, or a proxy in front of it, refused the request";
            return Err(Failure::new(Kind::ForeignError, message));
        }
        status if status.is_server_error() => {
            let message = "VictoriaMetrics cannot answer now";
            let retry_after = Some(retry_after(&head.headers));
            return Err(Failure { retry_after, ..Failure::new(Kind::Unavailable, message) });
        }
        status if status.is_redirection() => {
            return Err(Failure::bad_answer(
                "VictoriaMetrics sent a redirect, which is never followed",
            ));
        }
        _ => {
            return Err(Failure::bad_answer(
                "VictoriaMetrics answered with a status of no meaning here",
            ));
        }
    }
    let length =
        head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // A body that only ends with its connection looks complete wherever it is cut.
    if length.is_none() && !head.headers.contains_key(TRANSFER_ENCODING) {
        return Err(Failure::bad_answer("VictoriaMetrics answered without a length"));
    }
    if !is_json(&head.headers) {
        return Err(Failure::bad_answer("VictoriaMetrics did not answer in JSON"));
    }
    let gzip = match head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => false,
        Some(b"gzip") => true,
        Some(_) => {
            return Err(Failure::bad_answer("VictoriaMetrics answered in an unknown encoding"));
        }
    };
    Ok(Passable { gzip, length })
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = value.and_then(|value| value.split(';').next());
    kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// In seconds; a date is as good as none.
fn retry_after(headers: &HeaderMap) -> u32 {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(1, |seconds: u32| seconds.clamp(1, 3600))
}

const MAX_URL_FORM: usize = 2048;

/// Of a body, for the log.
const MAX_SAID: usize = 2048;

const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
