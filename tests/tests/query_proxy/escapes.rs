//! Requests that must not reach the upstream, sent byte by byte. The upstream keeps all requests that it received.

use std::io::Write;
use std::net::TcpStream;

use asdlc_tests::client::exchange_bytes;

use crate::proxy::{Proxy, QUERY};
use crate::upstream::{EMPTY, Upstream, json};

// X-07
#[test]
fn no_path_and_no_parameter_of_a_client_reaches_the_upstream() {
    let upstream = Upstream::saying(json(EMPTY));
    let proxy = Proxy::of(&upstream.url());
    let good = "/api/metrics/query?query=up";
    let targets = [
        // Paths.
        "/api/metrics/../api/v1/admin/tsdb/delete_series?match[]=up",
        "/api/metrics/query/../../v1/admin/tsdb/delete_series?match[]=up",
        "/api/metrics/%2e%2e/query?query=up",
        "/api/metrics/%2e%2e/%2e%2e/api/v1/admin/tsdb/delete_series?match[]=up",
        "/api/metrics/..%2fquery?query=up",
        "/api/metrics/..;/query?query=up",
        // Not `/api/metrics//query`: a router that removes the prefix passes that on as `/query`.
        "//api/metrics/query?query=up",
        "/api/metrics/x//query?query=up",
        "/api/metrics/query/?query=up",
        "/api/metrics/query%00?query=up",
        "/api/metrics/query%3fquery=up",
        "/api/metrics/api/v1/query?query=up&nocache=1",
        "/api/metrics/delete/prometheus/api/v1/admin/tsdb/delete_series?match[]=up",
        "/api/metrics/api/v1/admin/tsdb/delete_series?match[]=up",
        "/api/metrics/api/v1/import",
        "/api/metrics/api/v1/label/service/values",
        "/api/metrics/internal/force_flush",
        "/api/metrics/snapshot/create",
        "http://127.0.0.1:1/api/metrics/api/v1/admin/tsdb/delete_series?match[]=up",
        "http://user@127.0.0.1:1/api/metrics/%2e%2e/query?query=up",
        // Parameters.
        "/api/metrics/query?query=up&query=down",
        "/api/metrics/query?query=up&qu%65ry=down",
        "/api/metrics/query?query=up&extra_label=service%3Dx",
        "/api/metrics/query?query=up&extra_filters[]=%7Bservice%3D%22x%22%7D",
        "/api/metrics/query?query=up&extra_filters%5B%5D=%7B%7D",
        "/api/metrics/query?query=up&extra_filters=%7B%7D",
        "/api/metrics/query?query=up&nocache=1",
        "/api/metrics/query?query=up&trace=1",
        "/api/metrics/query?query=up&timeout=1h",
        "/api/metrics/query?query=up&step=1s",
        "/api/metrics/query?query=up&denyPartialResponse=0",
        "/api/metrics/query?query=up&time=1%0d%0aX:%201",
        "/api/metrics/query?query=up&time=1%26nocache%3D1",
        "/api/metrics/query?query=up%ff",
        "/api/metrics/query?query=",
        // F-27a
        "/api/metrics/query?query=+",
        "/api/metrics/query?query=%20%09%0d%0a",
        "/api/metrics/query?query=%0b%0c%c2%a0%e2%80%83",
        "/api/metrics/query?query=%23",
        "/api/metrics/query?query=%20%23+only+a+comment%0a%09%0a%23another",
        "/api/metrics/query_range?query=%20&start=0&end=60&step=15",
        "/api/metrics/query",
        "/api/metrics/query_range?query=up&start=0&end=now&step=1s",
        "/api/metrics/services?match[]=up",
        "/api/metrics/services?start=0",
        "/api/metrics/health?query=up",
    ];
    for target in targets {
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let response =
            String::from_utf8(exchange_bytes(proxy.address(), request.as_bytes())).unwrap();
        let refused =
            ["HTTP/1.1 400 ", "HTTP/1.1 404 "].iter().any(|status| response.starts_with(status));
        assert!(refused, "{target}: {response}");
    }
    for (method, headers, body) in [
        ("POST", "Content-Type: application/x-www-form-urlencoded", "query=down"),
        ("POST", "Content-Type: application/x-www-form-urlencoded", "nocache=1"),
        (
            "POST",
            "Content-Type: application/x-www-form-urlencoded; charset=utf-8",
            "extra_filters[]={}",
        ),
        ("POST", "Content-Type: application/json", "{\"query\":\"up\"}"),
        ("POST", "X: y", "query=up"),
        ("POST", "Content-Type: multipart/form-data; boundary=x", "--x--"),
        ("POST", "Content-Encoding: gzip", "x"),
        ("PUT", "X: y", ""),
        ("DELETE", "X: y", ""),
        ("PATCH", "X: y", ""),
        ("TRACE", "X: y", ""),
        ("QUERY", "X: y", ""),
    ] {
        let length = body.len();
        let request = format!(
            "{method} {good} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let response =
            String::from_utf8(exchange_bytes(proxy.address(), request.as_bytes())).unwrap();
        assert!(response.starts_with("HTTP/1.1 4"), "{method} {headers}: {response}");
    }
    // Bytes that client libraries do not send.
    for target in [
        "/api/metrics/query?query=up\r\nX-Injected: 1\r\n\r\nGET /api/v1/admin",
        "/api/metrics/query?query=\u{0}",
    ] {
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
    }
    assert_eq!(upstream.seen(), [""; 0]);

    // A valid query does reach it.
    assert_eq!(proxy.get(QUERY).status(), 200);
    assert_eq!(upstream.seen().len(), 1);
}

// O-09, O-10, O-11, X-07
#[test]
fn the_upstream_gets_only_text_of_the_proxy() {
    let upstream = Upstream::saying(json(r#"{"status":"success","data":[]}"#));
    let url = format!("{}/select/0/prometheus/", upstream.url().replace("//", "//ann:pass@"));
    let proxy = Proxy::of(&url);
    let headers = "Authorization: Basic Y2xpZW50Og==\r\nCookie: session=1\r\nX-Forwarded-For: 1.2.3.4\r\nUser-Agent: evil\r\nAccept-Encoding: gzip, br\r\nOrigin: https://evil\r\n";
    for (method, target, body, line) in [
        (
            "GET",
            "query?time=2024-05-01T12:00:00Z&query=a%0d%0aX:%20%26b",
            "",
            "GET /select/0/prometheus/api/v1/query?query=a%0D%0AX%3A+%26b&time=1714564800&timeout=1.9 HTTP/1.1",
        ),
        (
            "POST",
            "query_range?step=1m",
            "start=0&end=60&query=up",
            "GET /select/0/prometheus/api/v1/query_range?query=up&start=0&end=60&step=60&timeout=1.9 HTTP/1.1",
        ),
        (
            "GET",
            "health",
            "",
            "GET /select/0/prometheus/api/v1/query?query=asdlc_query_proxy_health&timeout=1.9 HTTP/1.1",
        ),
    ] {
        let length = body.len();
        let request = format!(
            "{method} /api/metrics/{target} HTTP/1.1\r\nHost: evil\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        let _ = exchange_bytes(proxy.address(), request.as_bytes());
        let seen = upstream.seen().pop().unwrap();
        let (first, rest) = seen.split_once("\r\n").unwrap();
        assert_eq!(first, line);
        let mut names: Vec<_> =
            rest.lines().filter_map(|line| Some(line.split_once(':')?.0.to_lowercase())).collect();
        names.sort();
        assert_eq!(names, ["accept", "accept-encoding", "authorization", "host", "user-agent"]);
        assert!(rest.to_lowercase().contains("authorization: basic yw5uonbhc3m="), "{rest}");
        assert!(!rest.contains("evil"), "{rest}");
    }
}

// X-07: a long query is sent as a form, because proxies in between may not accept a long URL.
#[test]
fn a_long_query_is_sent_as_a_form() {
    let upstream = Upstream::saying(json(EMPTY));
    let proxy = Proxy::of(&upstream.url());
    let query = "x".repeat(16 * 1024);
    assert_eq!(proxy.get(&format!("/query?time=1&query={query}")).status(), 200);
    let seen = upstream.seen().pop().unwrap();
    assert!(seen.starts_with("POST /api/v1/query HTTP/1.1\r\n"), "{seen}");
    assert!(seen.ends_with(&format!("\r\n\r\nquery={query}&time=1&timeout=1.9")), "{seen}");
}
