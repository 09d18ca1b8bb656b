//! The answers as HTTP: pure, given what is to be told.

use super::{dependency::Finding, readiness::Report};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, VARY},
};
use http_body_util::Full;
use std::{fmt::Write as _, time::Duration};

pub(super) type Answer = Response<Full<Bytes>>;

/// What is to be told.
pub(super) enum State<'a> {
    Alive,
    Found(&'a Report),
    Draining,
    /// The runtime stops.
    Unknown,
}

/// The parts of a request that the answer depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    head: bool,
    health_json: bool,
}

impl Asked {
    /// # Errors
    ///
    /// The answer, if the method is none of ours.
    #[expect(clippy::result_large_err, reason = "it is the answer, and moved once")]
    pub(super) fn new(method: &Method, headers: &HeaderMap) -> Result<Self, Answer> {
        if method != Method::GET && method != Method::HEAD {
            let body = Bytes::from_static(b"only GET and HEAD\n");
            let mut answer = Response::new(Full::new(body));
            *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            answer.headers_mut().insert(CONTENT_TYPE, PLAIN);
            return Err(answer);
        }
        Ok(Self { head: method == Method::HEAD, health_json: wants_health_json(headers) })
    }

    pub(super) fn answer(self, state: &State<'_>, uptime: Duration) -> Answer {
        let Self { head, health_json } = self;
        let body = if health_json { draft(state, uptime) } else { plain(state, uptime) };
        let ready = match state {
            State::Alive => true,
            State::Found(report) => report.is_ready(),
            State::Draining | State::Unknown => false,
        };
        let length = body.len().into();
        let mut answer = Response::new(if head { Full::default() } else { Full::from(body) });
        if !ready {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, if health_json { HEALTH_JSON } else { JSON });
        headers.insert(CONTENT_LENGTH, length);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(VARY, HeaderValue::from_static("accept"));
        answer
    }
}

/// Whether the type is named, and not with `q=0`.
fn wants_health_json(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    ranges.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(HEALTH_JSON_NAME));
        let refused = parts.any(|part| {
            let q = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="));
            q.is_some_and(|q| q.parse() == Ok(0.0))
        });
        named && !refused
    })
}

fn plain(state: &State<'_>, uptime: Duration) -> String {
    let status = match state {
        State::Alive => "ok",
        State::Found(report) if report.is_ready() => "ready",
        State::Found(_) | State::Unknown => "not_ready",
        State::Draining => "draining",
    };
    let uptime = uptime.as_secs_f64();
    let mut body = format!(r#"{{"status":"{status}","uptime_seconds":{uptime:.3}"#);
    if let State::Found(report) = state {
        body.push_str(r#","dependencies":["#);
        for (at, finding) in report.findings.iter().enumerate() {
            let Finding { name, critical, reason, latency } = finding;
            let (comma, latency) = (if at > 0 { "," } else { "" }, millis(*latency));
            let healthy = reason.is_none();
            write!(
                body,
                r#"{comma}{{"name":"{name}","critical":{critical},"healthy":{healthy},"latency_ms":{latency:.3}"#
            )
            .expect("a string takes everything");
            if let Some(reason) = reason {
                write!(body, r#","reason":"{reason}""#).expect("a string takes everything");
            }
            body.push('}');
        }
        body.push(']');
    }
    body.push('}');
    body
}

/// In the words of draft-inadarei-api-health-check.
fn draft(state: &State<'_>, uptime: Duration) -> String {
    let status = match state {
        State::Alive => "pass",
        State::Found(report) if report.is_whole() => "pass",
        State::Found(report) if report.is_ready() => "warn",
        State::Found(_) | State::Draining | State::Unknown => "fail",
    };
    let uptime = uptime.as_secs_f64();
    let mut body = format!(
        r#"{{"status":"{status}","checks":{{"uptime":[{{"componentType":"system","observedValue":{uptime:.3},"observedUnit":"s","status":"pass"}}]"#
    );
    if let State::Found(report) = state {
        for Finding { name, critical, reason, latency } in &report.findings {
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
            .expect("a string takes everything");
            if let Some(reason) = reason {
                write!(body, r#","output":"{reason}""#).expect("a string takes everything");
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

const HEALTH_JSON_NAME: &str = "application/health+json";
const HEALTH_JSON: HeaderValue = HeaderValue::from_static(HEALTH_JSON_NAME);
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

#[cfg(test)]
mod tests {
    use super::wants_health_json;
    use http::{HeaderMap, HeaderValue, header::ACCEPT};

    #[test]
    fn the_draft_is_for_those_who_name_it() {
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
            assert_eq!(wants_health_json(&headers), expected, "{accept:?}");
        }
    }
}
