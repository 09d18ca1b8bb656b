//! Upstreams that say why they do not answer: the log has it, and clients get nothing of it.

use std::io::Write;
use std::time::{Duration, Instant};

use asdlc_exporter::victoria_metrics::QueryProxy;
use asdlc_tests::servers::{QueryApi, VictoriaMetrics, Vmauth};
use flate2::{Compression, write::GzEncoder};

use crate::logs;
use crate::proxy::{Proxy, QUERY, error_of, failure_of};
use crate::upstream::{EMPTY, Upstream, await_close};

fn answer(status: &str, headers: &str, body: &str) -> String {
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
    let said_twice = r#"{"status":"error","errorType":"503","error":"too slow"}"#;
    for (said, client, logged_as) in [
        (
            answer("500 Internal Server Error", TEXT, "cannot read vmstorage-3:8401: disk full"),
            (503, "unavailable"),
            "500: `cannot read vmstorage-3:8401: disk full`",
        ),
        (answer("503 X", JSON, said_twice), (503, "unavailable"), r#"503: `{"status":"error""#),
        (
            answer("502 Bad Gateway", HTML, "<html>\r\n502"),
            (503, "unavailable"),
            "502: `<html>  502`",
        ),
        (answer("503 X", "", ""), (503, "unavailable"), "503 without a reason"),
        (answer("429 X", TEXT, "slow down"), (429, "too_many_requests"), "429: `slow down`"),
        (answer("401 X", TEXT, "who are you"), (502, "credentials"), "401: `who are you`"),
        (answer("404 X", HTML, "<h1>nginx</h1>"), (502, "bad_answer"), "404: `<h1>nginx</h1>`"),
        (answer("307 X", TEXT, "elsewhere"), (502, "bad_answer"), "307: `elsewhere`"),
        (answer("200 OK", HTML, "<h1>Log in</h1>"), (502, "bad_answer"), "200: `<h1>Log in</h1>`"),
        (answer("200 OK", JSON, "<h1>Log in</h1>"), (502, "bad_answer"), "200: `<h1>Log in</h1>`"),
        (answer("200 OK", JSON, ""), (502, "bad_answer"), "200"),
    ] {
        let upstream = Upstream::saying(said.clone());
        let proxy = Proxy::of(&upstream.url());
        let (status, kind) = failure_of(&proxy.get(QUERY));
        assert_eq!((status, kind.as_str()), client, "{said}");
        let lines = logged(&upstream.url());
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("WARN") && lines[0].contains(logged_as), "{}", lines[0]);
    }
}

// F-29
#[test]
fn a_4xx_that_victoria_metrics_did_not_write_is_a_502() {
    logs::collect();
    let known = "VictoriaMetrics, or a proxy in front of it, refused the request";
    for said in [
        answer("400 Bad Request", TEXT, "cannot determine targetURL: missing route for secret"),
        answer(
            "400 Bad Request",
            HTML,
            "<html><h1>Request Header Or Cookie Too Large</h1>nginx/secret",
        ),
        answer("400 Bad Request", JSON, r#"{"message":"secret"}"#),
        answer("422 Unprocessable Entity", JSON, r#"{"error":"secret"}"#),
        answer(
            "422 Unprocessable Entity",
            JSON,
            r#"{"status":"success","error":"secret","errorType":"x"}"#,
        ),
        answer(
            "422 Unprocessable Entity",
            TEXT,
            r#"{"status":"error","errorType":"422","error":"secret"}"#,
        ),
        answer("413 Payload Too Large", HTML, "<html>secret"),
        answer("418 X", JSON, "[secret"),
    ] {
        let upstream = Upstream::saying(said.clone());
        let proxy = Proxy::of(&upstream.url());
        let (status, kind, message) = error_of(&proxy.get(QUERY));
        assert_eq!(
            (status.as_u16(), kind.as_str(), message.as_str()),
            (502, "bad_answer", known),
            "{said}"
        );
        let lines = logged(&upstream.url());
        assert!(lines.len() == 1 && lines[0].contains("secret"), "{lines:?}");
    }
    // What it says about the query is for the client, and no failure.
    let own = r#"{"status":"error","errorType":"422","error":"no such function"}"#;
    let upstream = Upstream::saying(answer("422 Unprocessable Entity", JSON, own));
    let answer = error_of(&Proxy::of(&upstream.url()).get(QUERY));
    assert_eq!((answer.0.as_u16(), answer.2.as_str()), (422, "no such function"));
    assert!(logged(&upstream.url()).iter().all(|line| !line.contains("WARN")));
}

// F-29: what is logged is short, on one line and without the secrets of this service.
#[test]
fn the_reason_is_short_and_has_no_secret() {
    logs::collect();
    let long = format!("first\r\n\u{1b}[31m\u{0} second {}", "x".repeat(100_000));
    let upstream = Upstream::saying(answer("500 X", TEXT, &long));
    let proxy = Proxy::of(&upstream.url());
    assert_eq!(failure_of(&proxy.get(QUERY)).0, 503);
    let lines = logged(&upstream.url());
    assert!(lines.len() == 1 && lines[0].len() < 1000, "{lines:?}");
    assert!(lines[0].contains("500: `first   [31m  second xxx"), "{}", lines[0]);

    let echo = "cannot find the provided auth token \"Basic YW5uOmh1bnRlcjI=\" in http://ann:hunter2@vm/ (hunter2)";
    let upstream = Upstream::saying(answer("400 X", TEXT, echo));
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
    let upstream = Upstream::saying(answer("401 X", TEXT, "unknown token abc-def.123"));
    let builder =
        QueryProxy::builder(upstream.url().leak() as &str).with_bearer_token("abc-def.123");
    assert_eq!(failure_of(&Proxy::with(builder).get(QUERY)).0, 502);
    let lines = logged(&upstream.url());
    assert!(lines.len() == 1 && !lines[0].contains("abc-def"), "{lines:?}");
}

// F-29: a reason in gzip is read, also when nobody asked for it in that.
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

// F-29: an error whose reason does not end is that error all the same, and soon.
#[test]
fn a_reason_that_does_not_come_is_not_waited_for() {
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

// F-29: another failure than the last is a warning of its own, the same one is not.
#[test]
fn each_kind_of_failure_is_warned_of_once() {
    logs::collect();
    let answers = ["500 X", "500 X", "401 X", "401 X", "500 X", "200 OK", "500 X"];
    let at = std::sync::atomic::AtomicUsize::new(0);
    let upstream = Upstream::start(move |stream| {
        let status = answers[at.fetch_add(1, std::sync::atomic::Ordering::SeqCst)];
        let _ = stream.write_all(answer(status, JSON, EMPTY).as_bytes());
    });
    let proxy = Proxy::of(&upstream.url());
    for _ in answers {
        proxy.get(QUERY);
    }
    let levels: Vec<_> = logged(&upstream.url())
        .iter()
        .map(|line| if line.contains("WARN") { "warn" } else { "debug" })
        .collect();
    assert_eq!(levels, ["warn", "debug", "warn", "debug", "warn", "warn"]);
}

// F-29: vmauth answers in text, and quotes the credentials that it does not know.
#[test]
fn what_a_real_vmauth_refuses_is_in_the_log_and_not_in_the_answer() {
    logs::collect();
    let server = VictoriaMetrics::empty();
    let backend = server.address();
    let vmauth = Vmauth::start(&format!(
        "users:\n- username: reader\n  password: hunter2\n  url_map:\n  - src_paths: [/api/v1/query]\n    url_prefix: http://{backend}\n"
    ));
    let address = vmauth.address();
    let url = |user: &str| format!("http://{user}{address}");

    // A user that may ask for instant queries alone.
    let proxy = Proxy::patient(&url("reader:hunter2@"));
    assert_eq!(proxy.get(QUERY).status(), 200);
    assert_eq!(error_of(&proxy.get("/query?query=sum(up")).0, 422);
    let answer = proxy.get("/query_range?query=up&start=0&end=60&step=15");
    assert_eq!(failure_of(&answer), (502, "bad_answer".to_owned()));
    assert!(!String::from_utf8_lossy(answer.body()).contains("route"), "{:?}", answer.body());
    let logged_with = |part: &str| logged(&url("")).iter().any(|line| line.contains(part));
    assert!(logged_with("missing route for"), "{:?}", logged(&url("")));

    // Wrong credentials, and none.
    for (user, reason) in [
        ("reader:wrong-one@", "cannot find the provided auth token"),
        ("", "missing `Authorization`"),
    ] {
        let answer = Proxy::patient(&url(user)).get(QUERY);
        assert_eq!(failure_of(&answer).0, 502);
        assert!(!String::from_utf8_lossy(answer.body()).contains("auth token"));
        assert!(logged_with(reason), "{reason}: {:?}", logged(&url("")));
    }
    for secret in ["hunter2", "wrong-one", "cmVhZGVyOndyb25nLW9uZQ"] {
        assert!(!logged_with(secret), "{secret}");
    }
}
