//! One exchange with `VictoriaMetrics`, up to the head of its answer.

use super::{
    base::Base,
    error::QueryProxyError,
    failure::{Failure, Kind},
    refusal,
};
use crate::redact;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
        RETRY_AFTER, TRANSFER_ENCODING, USER_AGENT,
    },
};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use std::{
    error::Error as _,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

#[cfg(not(feature = "victoria-metrics-tls"))]
type Connector = HttpConnector;
#[cfg(feature = "victoria-metrics-tls")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;

/// What is asked. Its parts are ours: the path is one of the constants, the form is written by
/// `params`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Call {
    pub(super) path: &'static str,
    pub(super) form: String,
    /// Whether the answer may be compressed.
    pub(super) gzip: bool,
}

/// An answer that has the right head.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) gzip: bool,
    pub(super) length: Option<u64>,
    pub(super) body: Incoming,
}

#[derive(Debug)]
pub(super) struct Upstream {
    client: Client<Connector, Full<Bytes>>,
    base: Base,
    /// Whether the last exchange failed, so that the log has the first failure only.
    failing: AtomicBool,
}

impl Upstream {
    pub(super) fn new(
        base: Base,
        #[cfg(feature = "victoria-metrics-tls")] root_certificates: Option<&[u8]>,
    ) -> Result<Self, QueryProxyError> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        #[cfg(feature = "victoria-metrics-tls")]
        let connector = super::tls::connector(tcp, base.url(), root_certificates)?;
        #[cfg(not(feature = "victoria-metrics-tls"))]
        let connector = tcp;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // VictoriaMetrics closes idle connections after a minute.
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(8)
            // Of a connection, for the head and for what is read ahead of the client.
            .http1_max_buf_size(64 << 10)
            .build(connector);
        Ok(Self { client, base, failing: AtomicBool::new(false) })
    }

    /// Dropping the future closes the connection, and with it ends the query.
    pub(super) async fn ask(&self, call: &Call) -> Result<Reply, Failure> {
        let answer = self.client.request(self.request(call)).await;
        let reply = match answer {
            Ok(answer) => judge(answer).await,
            Err(error) => Err(self.lost(&error)),
        };
        if reply.is_ok() {
            self.failing.store(false, Ordering::Relaxed);
        }
        reply
    }

    fn request(&self, call: &Call) -> Request<Full<Bytes>> {
        let Call { path, form, gzip } = call;
        let url = self.base.url();
        // What stands between may not take as long a URL as VictoriaMetrics does.
        let request = if form.len() <= MAX_URL_FORM {
            Request::get(format!("{url}{path}?{form}")).body(Full::default())
        } else {
            let request = Request::builder().method(Method::POST).uri(format!("{url}{path}"));
            let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            request.body(Full::from(form.clone()))
        };
        let mut request = request.expect("a checked base, a constant and a form are a URL");
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let encoding = if *gzip { "gzip" } else { "identity" };
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        if let Some(value) = self.base.authorization() {
            headers.insert(AUTHORIZATION, value.clone());
        }
        request
    }

    fn lost(&self, error: &Error) -> Failure {
        let cause = error.source().map_or_else(|| error.to_string(), chain);
        self.report(&cause);
        let hyper = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
        if error.is_connect() {
            Failure::new(Kind::Unreachable, "VictoriaMetrics cannot be reached")
        } else if hyper.is_some_and(hyper::Error::is_parse) {
            Failure::bad_answer("VictoriaMetrics did not answer in HTTP")
        } else {
            Failure::connection_lost()
        }
    }

    /// For those who run the service: it may name what clients must not see.
    pub(super) fn report(&self, cause: &str) {
        if self.failing.swap(true, Ordering::Relaxed) {
            tracing::debug!("query of {} failed: {cause}", self.base.url());
        } else {
            tracing::warn!("query of {} failed: {cause}", self.base.url());
        }
    }
}

/// Whether an answer may be passed on.
async fn judge(answer: Response<Incoming>) -> Result<Reply, Failure> {
    let (head, body) = answer.into_parts();
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
            return Err(refusal::read(status, &head.headers, body).await);
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
    Ok(Reply { gzip, length, body })
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

/// An error with all that caused it, for the log.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    redact::error(error)
}

const MAX_URL_FORM: usize = 2048;

const AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
