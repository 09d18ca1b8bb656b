//! Methods and CORS.

use bytes::Bytes;
use http::{Request, Response};

use crate::proxy::{Proxy, QUERY, failure_of};
use crate::upstream::{EMPTY, Upstream, json};

// O-09
#[test]
fn other_methods_are_refused_with_the_allowed_ones() {
    let upstream = Upstream::saying(json(EMPTY));
    let proxy = Proxy::of(&upstream.url());
    for (path, allowed, refused) in [
        (QUERY, "GET, HEAD, POST, OPTIONS", &["PUT", "DELETE", "PATCH", "TRACE", "QUERY"][..]),
        ("/query_range", "GET, HEAD, POST, OPTIONS", &["PUT"]),
        ("/services", "GET, HEAD, OPTIONS", &["POST", "PUT"]),
        ("/health", "GET, HEAD, OPTIONS", &["POST"]),
        ("/openapi.json", "GET, HEAD, OPTIONS", &["POST"]),
        ("/docs/", "GET, HEAD, OPTIONS", &["POST"]),
    ] {
        let path = format!("/api/metrics{path}");
        for method in refused {
            let response = proxy.connect().request(method, &path);
            assert_eq!(
                failure_of(&response),
                (405, "method_not_allowed".to_owned()),
                "{method} {path}"
            );
            assert_eq!(response.headers()["allow"], allowed);
        }
        let options = proxy.connect().request("OPTIONS", &path);
        assert_eq!(
            (options.status().as_u16(), options.headers()["allow"].to_str().unwrap()),
            (204, allowed)
        );
        assert!(!options.headers().contains_key("access-control-allow-methods"));
    }
    assert_eq!(upstream.seen(), [""; 0]);
}

// O-09
#[test]
fn head_is_get_without_the_body() {
    let upstream = Upstream::saying(json(EMPTY));
    let proxy = Proxy::of(&upstream.url());
    for path in [QUERY, "/openapi.json", "/docs/", "/query"] {
        let path = format!("/api/metrics{path}");
        let (get, head) =
            (proxy.connect().request("GET", &path), proxy.connect().request("HEAD", &path));
        let comparable = |response: &Response<Bytes>| {
            let mut headers = response.headers().clone();
            headers.remove("date");
            (response.status(), headers)
        };
        assert_eq!(comparable(&head), comparable(&get), "{path}");
        assert!(head.body().is_empty() && !get.body().is_empty());
    }
}

fn from_origin(proxy: &Proxy, method: &str, path: &str, origin: &str) -> Response<Bytes> {
    let request = Request::builder().method(method).uri(format!("/api/metrics{path}"));
    let request = request.header("origin", origin).header("access-control-request-method", "POST");
    proxy.connect().send(request.body("").unwrap())
}

//
#[test]
fn only_configured_origins_may_read_responses() {
    let upstream = Upstream::saying(json(EMPTY));
    let builder = || upstream.proxy();
    let some = Proxy::with(
        builder().with_cors_origin("https://a.example").with_cors_origin("http://b:3000"),
    );
    let all = Proxy::with(builder().with_cors_origin("*"));
    let none = Proxy::with(builder());
    for (proxy, origin, allowed, varies) in [
        (&some, "https://a.example", Some("https://a.example"), true),
        (&some, "http://b:3000", Some("http://b:3000"), true),
        (&some, "https://a.example.evil", None, true),
        (&some, "http://a.example", None, true),
        (&some, "null", None, true),
        (&all, "https://c.example", Some("*"), false),
        (&none, "https://a.example", None, false),
    ] {
        // Responses, errors and preflights.
        for (method, path, status) in
            [("GET", QUERY, 200), ("GET", "/query", 400), ("OPTIONS", QUERY, 204)]
        {
            let response = from_origin(proxy, method, path, origin);
            let header = |name: &str| {
                response.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
            };
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(header("access-control-allow-origin").as_deref(), allowed, "{origin}");
            assert!(!response.headers().contains_key("access-control-allow-credentials"));
            let vary: Vec<_> = response.headers().get_all("vary").iter().collect();
            assert_eq!(vary.iter().any(|value| *value == "origin"), varies, "{vary:?}");
            let preflight =
                (allowed.is_some() && method == "OPTIONS").then_some("GET, HEAD, POST, OPTIONS");
            assert_eq!(header("access-control-allow-methods").as_deref(), preflight);
        }
    }
}
