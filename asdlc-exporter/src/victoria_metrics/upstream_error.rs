//! The bodies of error answers. What `VictoriaMetrics` says about a query goes to the client,
//! everything else to the log.

use super::{
    api_error::{Failure, Kind},
    connection_pool::AnswerBody,
    upstream::is_json,
};
use crate::families::truncate::floor_char_boundary;
use flate2::read::GzDecoder;
use http::{HeaderMap, StatusCode, header::CONTENT_ENCODING};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use std::{io::Read as _, net::IpAddr, time::Duration};
use tokio::time::{Instant, timeout_at};

/// The body of an answer that is an error, as far as it comes soon and is not longer than a reason.
pub(super) async fn read(headers: &HeaderMap, mut body: AnswerBody) -> Vec<u8> {
    let deadline = Instant::now() + MAX_TIME;
    let mut read = Vec::new();
    // Without this limit an error whose body hangs would be told as a timeout.
    while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
        read.extend_from_slice(frame.data_ref().map_or(&[][..], |bytes| bytes));
        if read.len() > MAX_BODY {
            break;
        }
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip") {
        read = unzipped(&read);
    }
    read.truncate(MAX_BODY);
    read
}

/// As much as can be decompressed.
pub(super) fn unzipped(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    // What was read before an error stays.
    let _ = GzDecoder::new(bytes).take(MAX_BODY as u64).read_to_end(&mut text);
    text
}

/// What `VictoriaMetrics` says about the query. `None` when the body is not in its format: a proxy in
/// front of it, such as vmauth or nginx, answers with 400 as well.
pub(super) fn of_query(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Failure> {
    if !is_json(headers) {
        return None;
    }
    let Envelope { status: Failed::Error, error_type: _, error } =
        serde_json::from_slice(body).ok()?;
    let kind = match status {
        StatusCode::BAD_REQUEST => Kind::BadData,
        other => Kind::Refused(other),
    };
    Some(Failure::new(kind, sanitise(&error)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    status: Failed,
    #[expect(dead_code, reason = "that it is there is all")]
    error_type: String,
    error: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Failed {
    Error,
}

/// Without addresses and control characters, and not longer than a person reads.
pub(super) fn sanitise(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "\"'`(){},;=".contains(c)) {
        let end = word.char_indices().next_back().map_or(0, |(at, _)| at);
        let (word, separator) = match word.chars().next_back() {
            Some(c) if c.is_whitespace() || "\"'`(){},;=".contains(c) => (&word[..end], Some(c)),
            _ => (word, None),
        };
        out.push_str(if is_address(word) { "***" } else { word });
        out.extend(separator.map(|c| if c.is_control() { ' ' } else { c }));
        if out.len() > MAX_MESSAGE {
            let end = floor_char_boundary(&out, MAX_MESSAGE);
            out.truncate(end);
            out.push('…');
            break;
        }
    }
    out.retain(|c| !c.is_control());
    out
}

/// `10.0.0.1`, `vmstorage-0:8401`, `[::1]:8401` and URLs. A selector of a query may be taken for
/// one: rather too much is removed.
fn is_address(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ':', '/']);
    if word.contains("://") || word.starts_with('[') && word.contains("::") {
        return true;
    }
    let (host, port) =
        word.rsplit_once(':').map_or((word, None), |(host, port)| (host, Some(port)));
    let host = host.rsplit_once("->").map_or(host, |(_, host)| host);
    let is_port =
        |port: &str| (2..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
    let named = host.bytes().any(|byte| byte.is_ascii_alphabetic());
    word.parse::<IpAddr>().is_ok()
        || host.parse::<IpAddr>().is_ok()
        || (named && port.is_some_and(is_port))
}

/// The longest query, twice, each of its bytes escaped.
const MAX_BODY: usize = 256 << 10;

/// A reason comes with its status.
const MAX_TIME: Duration = Duration::from_secs(2);
const MAX_MESSAGE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    // X-07
    #[test]
    fn addresses_are_removed_and_the_rest_stays() {
        for (said, expected) in [
            ("", ""),
            (
                r#"cannot parse "up{": missing closing brace at line 1:4"#,
                r#"cannot parse "up{": missing closing brace at line 1:4"#,
            ),
            (
                "cannot fetch from vmstorage-0:8401: dial tcp4 10.0.0.1:8401: refused",
                "cannot fetch from *** dial tcp4 *** refused",
            ),
            ("read tcp 10.0.0.2:41->10.0.0.1:8401 [::1]:80 ::1", "read tcp *** *** ***"),
            ("see http://vm.internal/select?x=1, please", "see ***=1, please"),
            ("sum(rate(x[5m:30s])) by (job)", "sum(rate(x[5m:30s])) by (job)"),
            ("a\r\nb\u{0}c", "a  bc"),
        ] {
            assert_eq!(sanitise(said), expected);
        }
        let long = sanitise(&"ä ".repeat(1000));
        assert!(
            long.len() <= MAX_MESSAGE + '…'.len_utf8() && long.ends_with('…'),
            "{}",
            long.len()
        );
    }
}
