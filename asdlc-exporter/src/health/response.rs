//! Health status as an HTTP response.

use super::report::{DependencyReport, Report};
use crate::accept::accepts;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, VARY},
};
use http_body_util::Full;
use std::{fmt::Write as _, time::Duration};

pub(super) type HealthResponse = Response<Full<Bytes>>;

/// What a response reports.
pub(super) enum HealthStatus<'a> {
    Alive,
    Checked(&'a Report),
    Draining,
    /// The checks did not end, because the Tokio runtime stops.
    Unknown,
}

/// The parts of a request that the response depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct HealthRequest {
    is_head: bool,
    wants_health_json: bool,
}

impl HealthRequest {
    /// Reads the method and `Accept`.
    ///
    /// # Errors
    ///
    /// When the method is not allowed. The error is the response.
    #[expect(clippy::result_large_err, reason = "the response is moved once")]
    pub(super) fn new(method: &Method, headers: &HeaderMap) -> Result<Self, HealthResponse> {
        if method != Method::GET && method != Method::HEAD {
            let body = Bytes::from_static(b"only GET and HEAD\n");
            let mut response = Response::new(Full::new(body));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response.headers_mut().insert(CONTENT_TYPE, PLAIN);
            return Err(response);
        }
        let wants_health_json = accepts(headers, ACCEPT, HEALTH_JSON_NAME);
        Ok(Self { is_head: method == Method::HEAD, wants_health_json })
    }

    pub(super) fn respond(self, status: &HealthStatus<'_>, uptime: Duration) -> HealthResponse {
        let Self { is_head, wants_health_json } = self;
        let (content_type, body) = match wants_health_json {
            true => (HEALTH_JSON, health_json(status, uptime)),
            false => (JSON, json(status, uptime)),
        };
        let length = body.len().into();
        let mut response = Response::new(if is_head { Full::default() } else { Full::from(body) });
        let is_ready = match status {
            HealthStatus::Alive => true,
            HealthStatus::Checked(report) => report.is_ready(),
            HealthStatus::Draining | HealthStatus::Unknown => false,
        };
        if !is_ready {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(VARY, HeaderValue::from_static("accept"));
        response
    }
}

// The bodies are written by hand: names and reasons have no character that JSON escapes, and the
// feature `health` needs no JSON library.

/// The body for clients that do not request another format.
fn json(status: &HealthStatus<'_>, uptime: Duration) -> String {
    let name = match status {
        HealthStatus::Alive => "ok",
        HealthStatus::Checked(report) if report.is_ready() => "ready",
        HealthStatus::Checked(_) | HealthStatus::Unknown => "not_ready",
        HealthStatus::Draining => "draining",
    };
    let uptime = uptime.as_secs_f64();
    let mut body = format!(r#"{{"status":"{name}","uptime_seconds":{uptime:.3}"#);
    if let HealthStatus::Checked(report) = status {
        body.push_str(r#","dependencies":["#);
        for (at, dependency) in report.dependencies.iter().enumerate() {
            let DependencyReport { name, critical, reason, latency } = dependency;
            let (comma, latency) = (if at > 0 { "," } else { "" }, millis(*latency));
            let healthy = reason.is_none();
            write!(
                body,
                r#"{comma}{{"name":"{name}","critical":{critical},"healthy":{healthy},"latency_ms":{latency:.3}"#
            )
            .expect(INFALLIBLE);
            if let Some(reason) = reason {
                write!(body, r#","reason":"{reason}""#).expect(INFALLIBLE);
            }
            body.push('}');
        }
        body.push(']');
    }
    body.push('}');
    body
}

/// The body in the format of draft-inadarei-api-health-check.
fn health_json(status: &HealthStatus<'_>, uptime: Duration) -> String {
    let name = match status {
        HealthStatus::Alive => "pass",
        HealthStatus::Checked(report) if report.is_fully_healthy() => "pass",
        HealthStatus::Checked(report) if report.is_ready() => "warn",
        HealthStatus::Checked(_) | HealthStatus::Draining | HealthStatus::Unknown => "fail",
    };
    let uptime = uptime.as_secs_f64();
    let mut body = format!(
        r#"{{"status":"{name}","checks":{{"uptime":[{{"componentType":"system","observedValue":{uptime:.3},"observedUnit":"s","status":"pass"}}]"#
    );
    if let HealthStatus::Checked(report) = status {
        for DependencyReport { name, critical, reason, latency } in &report.dependencies {
            let status = match (reason, critical) {
                (None, _) => "pass",
                (Some(_), false) => "warn",
                (Some(_), true) => "fail",
            };
            let latency = millis(*latency);
            write!(
                body,
                r#","{name}:responseTime":[{{"componentType":"component","observedValue":{latency:.3},"observedUnit":"ms","status":"{status}""#
            )
            .expect(INFALLIBLE);
            if let Some(reason) = reason {
                write!(body, r#","output":"{reason}""#).expect(INFALLIBLE);
            }
            body.push_str("}]");
        }
    }
    body.push_str("}}");
    body
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

const INFALLIBLE: &str = "writing to a string does not fail";
const HEALTH_JSON_NAME: &str = "application/health+json";
const HEALTH_JSON: HeaderValue = HeaderValue::from_static(HEALTH_JSON_NAME);
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

#[cfg(test)]
mod tests {
    use super::HealthRequest;
    use http::{HeaderMap, HeaderValue, Method, header::ACCEPT};

    #[test]
    fn health_json_is_for_clients_that_name_it() {
        for (accept, expected) in [
            (&[][..], false),
            (&["*/*"], false),
            (&["application/json"], false),
            (&["application/health+json"], true),
            (&["text/html, Application/Health+JSON;q=0.5"], true),
            (&["text/html", "application/health+json"], true),
            (&["application/health+json;q=0"], false),
            (&["application/health+json; q=0.000"], false),
            (&["application/health+jsonx"], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            let request = HealthRequest::new(&Method::GET, &headers).expect("an allowed method");
            assert_eq!(request.wants_health_json, expected, "{accept:?}");
        }
    }
}
