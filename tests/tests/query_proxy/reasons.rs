//! Error responses of upstreams: their reason is logged, and clients do not see it.

use std::io::Write;
use std::time::{Duration, Instant};

use asdlc_exporter::victoria_metrics::QueryProxy;
use asdlc_tests::servers::{QueryApi, VictoriaMetrics, Vmauth};
use flate2::{Compression, write::GzEncoder};

use crate::logs;
use crate::proxy::{Proxy, QUERY, error_of, failure_of};
use crate::upstream::{EMPTY, Upstream, await_close};

fn response(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

const HTML: &str = "Content-Type: text/html\r\n";
const TEXT: &str = "Content-Type: text/plain; charset=utf-8\r\n";
const JSON: &str = "Content-Type: application/json\r\n";

/// The lines about failed queries of this upstream.
fn logged(url: &str) -> Vec<String> {
    let lines = logs::lines_with(url.trim_start_matches("http://"));
    lines.into_iter().filter(|line| line.contains("failed")).collect()
}

// F-29
#[test]
fn the_log_has_the_status_and_the_reason() {
    logs::collect();
    let repeated = r#"{"status":"error","errorType":"503","error":"too slow"}"#;
    for (bytes, client, logged_as) in [
        (
            response("500 Internal Server Error", TEXT, "cannot read vmstorage-3:8401: disk full"),
            (503, "unavailable"),
            "500: `cannot read vmstorage-3:8401: disk full`",
        ),
        (response("503 X", JSON, repeated), (503, "unavailable"), r#"503: `{"status":"error""#),
        (
            response("502 Bad Gateway", HTML, "<html>\r\n502"),
            (503, "unavailable"),
            "502: `<html>  502`",
        ),
        (response("503 X", "", ""), (503, "unavailable"), "503 with an empty body"),
        (response("429 X", TEXT, "slow down"), (429, "too_many_requests"), "429: `slow down`"),
        (response("401 X", TEXT, "who are you"), (502, "credentials"), "401: `who are you`"),
        (response("404 X", HTML, "<h1>nginx</h1>"), (502, "bad_answer"), "404: `<h1>nginx</h1>`"),
        (response("307 X", TEXT, "elsewhere"), (502, "bad_answer"), "307: `elsewhere`"),
        (
            response("200 OK", HTML, "<h1>Log in</h1>"),
            (502, "bad_answer"),
            "200: `<h1>Log in</h1>`",
        ),
        (
            response("200 OK", JSON, "<h1>Log in</h1>"),
            (502, "bad_answer"),
            "200: `<h1>Log in</h1>`",
        ),
        (response("200 OK", JSON, ""), (502, "bad_answer"), "200"),
    ] {
        let upstream = Upstream::saying(bytes.clone());
        let proxy = Proxy::of(&upstream.url());
        let (status, kind) = failure_of(&proxy.get(QUERY));
        assert_eq!((status, kind.as_str()), client, "{bytes}");
        let lines = logged(&upstream.url());
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("WARN") && lines[0].contains(logged_as), "{}", lines[0]);
    }
}

// F-29
#[test]
fn a_4xx_that_is_not_from_victoria_metrics_is_a_502() {
    logs::collect();
    let known = "VictoriaMetrics, or a proxy in front of it, refused the request";
    for bytes in [
        response("400 Bad Request", TEXT, "cannot determine targetURL: missing route for secret"),
        response(
            "400 Bad Request",
            HTML,
            "<html><h1>Request Header Or Cookie Too Large</h1>nginx/secret",
        ),
        response("400 Bad Request", JSON, r#"{"message":"secret"}"#),
        response("422 Unprocessable Entity", JSON, r#"{"error":"secret"}"#),
        response(
            "422 Unprocessable Entity",
            JSON,
            r#"{"status":"success","error":"secret","errorType":"x"}"#,
        ),
        response(
            "422 Unprocessable Entity",
            TEXT,
            r#"{"status":"error","errorType":"422","error":"secret"}"#,
        ),
        response("413 Payload Too Large", HTML, "<html>secret"),
        response("418 X", JSON, "[secret"),
    ] {
        let upstream = Upstream::saying(bytes.clone());
        let proxy = Proxy::of(&upstream.url());
        let (status, kind, message) = error_of(&proxy.get(QUERY));
        assert_eq!(
            (status.as_u16(), kind.as_str(), message.as_str()),
            (502, "bad_answer", known),
            "{bytes}"
        );
        let lines = logged(&upstream.url());
        assert!(lines.len() == 1 && lines[0].contains("secret"), "{lines:?}");
    }
    // Its message about the query is for the client, and not a failure.
    let own = r#"{"status":"error","errorType":"422","error":"no such function"}"#;
    let upstream = Upstream::saying(response("422 Unprocessable Entity", JSON, own));
    let response = error_of(&Proxy::of(&upstream.url()).get(QUERY));
    assert_eq!((response.0.as_u16(), response.2.as_str()), (422, "no such function"));
    assert!(logged(&upstream.url()).iter().all(|line| !line.contains("WARN")));
}

// F-29: the logged reason is one short line without the secrets of this service.
#[test]
fn the_reason_is_short_and_has_no_secret() {
    logs::collect();
    let long = format!("first\r\n\u{1b}[31m\u{0} second {}", "x".repeat(100_000));
    let upstream = Upstream::saying(response("500 X", TEXT, &long));
    let proxy = Proxy::of(&upstream.url());
    assert_eq!(failure_of(&proxy.get(QUERY)).0, 503);
    let lines = logged(&upstream.url());
    assert!(lines.len() == 1 && lines[0].len() < 1000, "{lines:?}");
    assert!(lines[0].contains("500: `first   [31m  second xxx"), "{}", lines[0]);

    let echo = "cannot find the provided auth token \"Basic YW5uOmh1bnRlcjI=\" in http://ann:hunter2@vm/ (hunter2)";
    let upstream = Upstream::saying(response("400 X", TEXT, echo));
    let url = upstream.url().replace("//", "//ann:hunter2@");
    assert_eq!(failure_of(&Proxy::of(&url).get(QUERY)).0, 502);
    let lines = logged(&upstream.url());
    assert!(
        lines.len() == 1 && lines[0].contains("cannot find the provided auth token"),
        "{lines:?}"
    );
    for secret in ["hunter2", "YW5uOmh1bnRlcjI"] {
        assert!(!lines[0].contains(secret), "{}", lines[0]);
    }
    let upstream = Upstream::saying(response("401 X", TEXT, "unknown token abc-def.123"));
    let builder =
        QueryProxy::builder(upstream.url().leak() as &str).with_bearer_token("abc-def.123");
    assert_eq!(failure_of(&Proxy::with(builder).get(QUERY)).0, 502);
    let lines = logged(&upstream.url());
    assert!(lines.len() == 1 && !lines[0].contains("abc-def"), "{lines:?}");
}

// F-29: a compressed reason is read, also when gzip was not requested.
#[test]
fn a_compressed_reason_is_read() {
    logs::collect();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(b"the disk is full").unwrap();
    let gzip = gzip.finish().unwrap();
    let head = format!(
        "HTTP/1.1 500 X\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        gzip.len()
    );
    let upstream = Upstream::saying([head.as_bytes(), &gzip].concat());
    assert_eq!(failure_of(&Proxy::of(&upstream.url()).get_gzip(QUERY)).0, 503);
    let lines = logged(&upstream.url());
    assert!(lines.len() == 1 && lines[0].contains("500: `the disk is full`"), "{lines:?}");
}

// F-29: an error whose body does not end is reported soon.
#[test]
fn a_reason_that_does_not_end_is_not_awaited() {
    logs::collect();
    for (head, expected) in [("500 X", (503, "unavailable")), ("404 X", (502, "bad_answer"))] {
        let upstream = Upstream::start(move |stream| {
            write!(stream, "HTTP/1.1 {head}\r\nContent-Length: 1000\r\n\r\nbegun").unwrap();
            await_close(stream);
        });
        let proxy = Proxy::patient(&upstream.url());
        let start = Instant::now();
        let (status, kind) = failure_of(&proxy.get(QUERY));
        assert_eq!((status, kind.as_str()), expected);
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        let lines = logged(&upstream.url());
        assert!(lines.len() == 1 && lines[0].contains("begun"), "{lines:?}");
    }
}

// F-29: a failure of another kind than the last one is a warning, the same kind is not.
#[test]
fn each_kind_of_failure_is_a_warning_once() {
    logs::collect();
    let responses = ["500 X", "500 X", "401 X", "401 X", "500 X", "200 OK", "500 X"];
    let at = std::sync::atomic::AtomicUsize::new(0);
    let upstream = Upstream::start(move |stream| {
        let status = responses[at.fetch_add(1, std::sync::atomic::Ordering::SeqCst)];
        let _ = stream.write_all(response(status, JSON, EMPTY).as_bytes());
    });
    let proxy = Proxy::of(&upstream.url());
    for _ in responses {
        proxy.get(QUERY);
    }
    let levels: Vec<_> = logged(&upstream.url())
        .iter()
        .map(|line| if line.contains("WARN") { "warn" } else { "debug" })
        .collect();
    assert_eq!(levels, ["warn", "debug", "warn", "debug", "warn", "warn"]);
}

// F-29: vmauth responds in plain text, and repeats credentials that it does not know.
#[test]
fn a_refusal_of_a_real_vmauth_is_logged_and_not_in_the_response() {
    logs::collect();
    let server = VictoriaMetrics::empty();
    let backend = server.address();
    let vmauth = Vmauth::start(&format!(
        "users:\n- username: reader\n  password: hunter2\n  url_map:\n  - src_paths: [/api/v1/query]\n    url_prefix: http://{backend}\n"
    ));
    let address = vmauth.address();
    let url = |user: &str| format!("http://{user}{address}");

    // A user that is allowed only instant queries.
    let proxy = Proxy::patient(&url("reader:hunter2@"));
    assert_eq!(proxy.get(QUERY).status(), 200);
    assert_eq!(error_of(&proxy.get("/query?query=sum(up")).0, 422);
    let response = proxy.get("/query_range?query=up&start=0&end=60&step=15");
    assert_eq!(failure_of(&response), (502, "bad_answer".to_owned()));
    assert!(!String::from_utf8_lossy(response.body()).contains("route"), "{:?}", response.body());
    let logged_with = |part: &str| logged(&url("")).iter().any(|line| line.contains(part));
    assert!(logged_with("missing route for"), "{:?}", logged(&url("")));

    // Wrong credentials, and none.
    for (user, reason) in [
        ("reader:wrong-one@", "cannot find the provided auth token"),
        ("", "missing `Authorization`"),
    ] {
        let response = Proxy::patient(&url(user)).get(QUERY);
        assert_eq!(failure_of(&response).0, 502);
        assert!(!String::from_utf8_lossy(response.body()).contains("auth token"));
        assert!(logged_with(reason), "{reason}: {:?}", logged(&url("")));
    }
    for secret in ["hunter2", "wrong-one", "cmVhZGVyOndyb25nLW9uZQ"] {
        assert!(!logged_with(secret), "{secret}");
    }
}
