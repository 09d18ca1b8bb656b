//! Upstreams that fail in different ways: the response has the documented status and `errorType`, in time, and nothing of
//! the upstream.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use asdlc_exporter::victoria_metrics::QueryProxy;
use asdlc_tests::servers::{VictoriaMetrics, free_address};
use bytes::Bytes;
use http::Response;

use crate::proxy::{Proxy, QUERY, error_of, failure_of};
use crate::upstream::{EMPTY, HEAD, Upstream, await_close, json, reset};

/// Headers of every upstream here. `Connection: close` says that the connection ends. Without it, the proxy could use the
/// connection for the next request before it sees the end.
const SECRETS: &str = "Connection: close\r\nX-Server-Hostname: vm-secret\r\nSet-Cookie: secret=1\r\nAccess-Control-Allow-Origin: *\r\nServer: secret\r\n";

#[track_caller]
fn assert_fails(response: &Response<Bytes>, status: u16, kind: &str, address: &str) {
    assert_eq!(failure_of(response), (status, kind.to_owned()));
    assert_no_upstream_details(response, address);
}

/// The response has nothing of the upstream.
#[track_caller]
fn assert_no_upstream_details(response: &Response<Bytes>, address: &str) {
    let text = format!("{:?}{}", response.headers(), String::from_utf8_lossy(response.body()));
    for secret in ["secret", address.trim_start_matches("http://"), "127.0.0.1", "invalid"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    let allowed = [
        "content-type",
        "cache-control",
        "content-length",
        "content-encoding",
        "retry-after",
        "vary",
        "date",
        "allow",
    ];
    for name in response.headers().keys() {
        assert!(allowed.contains(&name.as_str()), "{name}");
    }
}

// O-12, X-07
#[test]
fn an_unreachable_upstream_is_a_503() {
    for url in [format!("http://{}", free_address()), "http://no-such-host.invalid:8428".to_owned()]
    {
        let proxy = Proxy::of(&url);
        assert_fails(&proxy.get(QUERY), 503, "unreachable", &url);
        assert_fails(
            &proxy.get("/query_range?query=up&start=now-1h&step=1m"),
            503,
            "unreachable",
            &url,
        );
        assert_fails(&proxy.get("/services"), 503, "unreachable", &url);
        assert_fails(&proxy.get("/health"), 503, "unreachable", &url);
        assert_eq!(proxy.metric("query_proxy_requests_total", &[("outcome", "unreachable")]), 4.0);
    }
}

// O-12: as after SIGSTOP, the system accepts connections and nothing reads from them.
#[test]
fn an_upstream_that_hangs_is_a_503_within_the_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = Upstream::start(await_close);
    let slow = Upstream::start(|stream| {
        let head = format!("{HEAD}{SECRETS}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n");
        let mut sent = stream.write_all(head.as_bytes());
        while sent.is_ok() {
            thread::sleep(Duration::from_millis(50));
            sent = stream.write_all(b"1\r\n \r\n");
        }
    });
    for url in [format!("http://{}", listener.local_addr().unwrap()), silent.url(), slow.url()] {
        let proxy = Proxy::of(&url);
        let start = std::time::Instant::now();
        assert_fails(&proxy.get(QUERY), 503, "timeout", &url);
        assert!(
            start.elapsed() >= Duration::from_millis(1900),
            "the proxy responded before its timeout"
        );
        assert_eq!(proxy.metric("query_proxy_requests_total", &[("outcome", "timeout")]), 1.0);
        assert_eq!(proxy.metric("query_proxy_requests_in_flight", &[]), 0.0);
    }
}

// O-12, X-07
#[test]
fn a_connection_that_ends_before_the_response_is_a_503() {
    let short = format!("{HEAD}{SECRETS}Content-Length: 100\r\n\r\n{{\"status\":\"su");
    let chunked = format!("{HEAD}{SECRETS}Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"sta\r\n");
    for said in [String::new(), "HTTP/1.1 200 O".to_owned(), short, chunked] {
        for resets in [false, true] {
            let text = said.clone();
            let upstream = Upstream::start(move |stream: &mut TcpStream| {
                stream.write_all(text.as_bytes()).unwrap();
                if resets {
                    reset(stream);
                }
            });
            let proxy = Proxy::of(&upstream.url());
            assert_fails(&proxy.get(QUERY), 503, "connection_lost", &upstream.url());
        }
    }
}

// X-07
#[test]
fn an_invalid_response_is_a_502() {
    let ok = |headers: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\n{SECRETS}{headers}Content-Length: {length}\r\n\r\n{body}")
    };
    let json_type = "Content-Type: application/json\r\n";
    for (what, said, kind) in [
        ("no HTTP", "SSH-2.0-secret\r\n\r\n".to_owned(), "bad_answer"),
        ("HTML", ok("Content-Type: text/html\r\n", "<html>secret</html>"), "bad_answer"),
        ("no type", ok("", EMPTY), "bad_answer"),
        ("HTML that claims to be JSON", ok(json_type, "<html>secret</html>"), "bad_answer"),
        ("nothing", ok(json_type, ""), "bad_answer"),
        (
            "gzip that is not gzip",
            ok(&format!("{json_type}Content-Encoding: gzip\r\n"), EMPTY),
            "bad_answer",
        ),
        (
            "an encoding that was not requested",
            ok(&format!("{json_type}Content-Encoding: br\r\n"), EMPTY),
            "bad_answer",
        ),
        ("a body without a length", format!("{HEAD}{SECRETS}\r\n{EMPTY}"), "bad_answer"),
        ("no content", format!("HTTP/1.1 204 No Content\r\n{SECRETS}\r\n"), "bad_answer"),
        (
            "another path",
            format!("HTTP/1.1 404 Not Found\r\n{SECRETS}Content-Length: 0\r\n\r\n"),
            "bad_answer",
        ),
        (
            "credentials",
            format!(
                "HTTP/1.1 401 Unauthorized\r\n{SECRETS}WWW-Authenticate: Basic realm=secret\r\nContent-Length: 0\r\n\r\n"
            ),
            "credentials",
        ),
        (
            "credentials",
            format!("HTTP/1.1 403 Forbidden\r\n{SECRETS}Content-Length: 0\r\n\r\n"),
            "credentials",
        ),
        ("10 GB", format!("{HEAD}{SECRETS}Content-Length: 10000000000\r\n\r\n{{"), "too_large"),
    ] {
        let upstream = Upstream::saying(said);
        let proxy = Proxy::of(&upstream.url());
        for path in [QUERY, "/services"] {
            assert_fails(&proxy.get_gzip(path), 502, kind, &upstream.url());
            println!("{what}: {path}");
        }
        assert_fails(&proxy.get("/health"), 503, kind, &upstream.url());
    }
}

// X-07
#[test]
fn redirects_are_not_followed() {
    let target = Upstream::saying(json(EMPTY));
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect"]
    {
        let said = format!(
            "HTTP/1.1 {status}\r\n{SECRETS}Location: {}/api/v1/query\r\nContent-Length: 0\r\n\r\n",
            target.url()
        );
        let upstream = Upstream::saying(said);
        assert_fails(&Proxy::of(&upstream.url()).get(QUERY), 502, "bad_answer", &upstream.url());
    }
    assert_eq!(target.seen(), [""; 0]);
}

// O-09, X-07
#[test]
fn a_refusal_is_passed_on_without_addresses() {
    let refuse = |status: &str, headers: &str, body: &[u8]| {
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\n{SECRETS}{headers}Content-Length: {length}\r\n\r\n");
        [head.as_bytes(), body].concat()
    };
    let json_type = "Content-Type: application/json\r\n";
    let body = br#"{"status":"error","errorType":"422","error":"cannot fetch from vm-secret:8401 (10.0.0.1:8401): no such function \"frobnicate\""}"#;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body).unwrap();
    let gzip = gzip.finish().unwrap();
    let quoted = "cannot fetch from *** (***): no such function \"frobnicate\"";
    // F-29
    let plain = "VictoriaMetrics, or a proxy in front of it, refused the request";
    for (said, status, kind, message) in [
        (refuse("422 Unprocessable Entity", json_type, body), 422, "execution", quoted),
        (refuse("400 Bad Request", json_type, body), 400, "bad_data", quoted),
        (
            refuse("422 X", &format!("{json_type}Content-Encoding: gzip\r\n"), &gzip),
            422,
            "execution",
            quoted,
        ),
        (
            refuse("422 X", "Content-Type: text/plain\r\n", b"secret 10.0.0.1"),
            502,
            "bad_answer",
            plain,
        ),
        (refuse("418 X", json_type, b"[secret"), 502, "bad_answer", plain),
    ] {
        let upstream = Upstream::saying(said);
        let response = Proxy::of(&upstream.url()).get_gzip(QUERY);
        assert_fails(&response, status, kind, &upstream.url());
        assert_eq!(error_of(&response).2, message);
    }
}

// O-12, X-07
#[test]
fn a_busy_upstream_sets_retry_after() {
    for (said, status, kind, retry_after) in [
        ("429 Too Many Requests\r\nRetry-After: 7", 429, "too_many_requests", "7"),
        (
            "429 Too Many Requests\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT",
            429,
            "too_many_requests",
            "1",
        ),
        ("503 Service Unavailable\r\nRetry-After: 99999999", 503, "unavailable", "3600"),
        ("503 Service Unavailable\r\nContent-Type: text/plain", 503, "unavailable", "1"),
        ("500 Internal Server Error", 503, "unavailable", "1"),
    ] {
        let body = "couldn't start executing the request at vm-secret:8428 in 10s";
        let length = body.len();
        let said = format!("HTTP/1.1 {said}\r\n{SECRETS}Content-Length: {length}\r\n\r\n{body}");
        let upstream = Upstream::saying(said);
        let response = Proxy::of(&upstream.url()).get(QUERY);
        assert_fails(&response, status, kind, &upstream.url());
        assert_eq!(response.headers()["retry-after"], retry_after);
    }
}

// O-12, X-07
#[test]
fn wrong_credentials_are_a_502() {
    let options = ["-httpAuth.username=reader", "-httpAuth.password=pass:word@1"];
    let server = VictoriaMetrics::start_with(free_address(), &options);
    let url = server.url();
    let address = url.trim_start_matches("http://");
    let in_url = |password: &str| format!("http://reader:{password}@{address}");
    for (builder, works) in [
        (QueryProxy::builder(url.as_str()), false),
        (QueryProxy::builder(url.as_str()).with_basic_auth("reader", "pass"), false),
        (QueryProxy::builder(url.as_str()).with_bearer_token("secret"), false),
        (QueryProxy::builder(url.as_str()).with_basic_auth("reader", "pass:word@1"), true),
        (QueryProxy::builder(in_url("secret").as_str()), false),
        (QueryProxy::builder(in_url("pass:word%401").as_str()), true),
    ] {
        let debug = format!("{builder:?}");
        assert!(!debug.contains("word@1") && !debug.contains("cGFzczp3"), "{debug}");
        let proxy = Proxy::with(builder);
        let response = proxy.get(QUERY);
        if works {
            assert_eq!(response.status(), 200);
            assert_no_upstream_details(&response, &url);
        } else {
            assert_fails(&response, 502, "credentials", &url);
        }
        assert_eq!(proxy.get("/health").status(), if works { 200 } else { 503 });
    }
}

// O-10
#[test]
fn services_are_sorted_without_duplicates() {
    let upstream = Upstream::saying(json(
        r#"{"status":"success","isPartial":false,"data":["b","a","ä","b","A"]}"#,
    ));
    let response = Proxy::of(&upstream.url()).get("/services");
    assert_eq!(response.body(), r#"{"status":"success","data":["A","a","b","ä"]}"#);
    let request = upstream.seen().remove(0);
    let pairs: Vec<_> = request.split([' ', '?', '&', '=']).collect();
    assert_eq!((pairs[1], pairs[2], pairs[4]), ("/api/v1/label/service/values", "start", "end"));
    let number = |at: usize| pairs[at].parse::<u64>().unwrap();
    assert_eq!(number(5) - number(3), 3600);
    for said in
        [EMPTY, r#"{"status":"success"}"#, r#"{"status":"error","data":[]}"#, r#"{"data":["#]
    {
        let upstream = Upstream::saying(json(said));
        assert_fails(
            &Proxy::of(&upstream.url()).get("/services"),
            502,
            "bad_answer",
            &upstream.url(),
        );
    }
}

// O-12
#[test]
fn without_a_url_queries_are_a_503() {
    for url in [None, Some("")] {
        let proxy = Proxy::with(QueryProxy::builder(url));
        for path in [QUERY, "/query_range", "/services", "/health"] {
            assert_eq!(failure_of(&proxy.get(path)), (503, "not_configured".to_owned()), "{path}");
        }
        assert_eq!(proxy.get("/openapi.json").status(), 200);
        assert_eq!(
            proxy.metric("query_proxy_rejected_total", &[("reason", "not_configured")]),
            4.0
        );
    }
}
