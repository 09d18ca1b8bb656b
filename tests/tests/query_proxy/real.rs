//! A real `VictoriaMetrics` that has scraped a real service.

use std::time::{SystemTime, UNIX_EPOCH};

use asdlc_tests::client::Connection;
use asdlc_tests::example::Example;
use asdlc_tests::servers::{QueryApi, VictoriaMetrics};
use asdlc_tests::wait::{DEADLINE, eventually};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::proxy::{Proxy, error_of, failure_of};

fn scraped() -> (Example, VictoriaMetrics) {
    let orchestrator = Example::start("orchestrator");
    let mut connection = orchestrator.connect();
    for _ in 0..5 {
        connection.get("/health");
    }
    let server = VictoriaMetrics::scraping(orchestrator.address());
    let counted = eventually(DEADLINE, || {
        server.query("sum(asdlc_http_requests_total)").is_some_and(|sum| sum >= 5.0)
    });
    assert!(counted, "the requests are not in VictoriaMetrics");
    (orchestrator, server)
}

fn query_directly(server: &VictoriaMetrics, path: &str, gzip: bool) -> Response<Bytes> {
    let request =
        Request::get(path).header("accept-encoding", if gzip { "gzip" } else { "identity" });
    Connection::open(server.address()).send(request.body("").unwrap())
}

// O-09
#[test]
fn responses_are_those_of_the_server_byte_by_byte_with_and_without_gzip() {
    let (_orchestrator, server) = scraped();
    let proxy = Proxy::patient(&server.url());
    // Stored data does not change any more, so that both responses can be compared.
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let end = now();
    assert!(eventually(DEADLINE, || now() > end + 2));
    assert_eq!(Connection::open(server.address()).get("/internal/force_flush").status(), 200);
    let start = end - 60;
    for query in [
        "asdlc_http_requests_total",
        "sum(rate(asdlc_http_requests_total[1m])) by (endpoint)",
        "no_such_metric",
    ] {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for (ours, theirs) in [
            (
                format!("/query_range?step=5s&query={encoded}&start={start}&end={end}"),
                format!("/api/v1/query_range?query={encoded}&start={start}&end={end}&step=5"),
            ),
            (
                format!("/query?query={encoded}&time={end}"),
                format!("/api/v1/query?query={encoded}&time={end}"),
            ),
        ] {
            let (expected, got) = (query_directly(&server, &theirs, false), proxy.get(&ours));
            assert_eq!(got.status(), StatusCode::OK, "{ours}");
            assert_eq!(got.body(), expected.body(), "{ours}");
            assert_eq!(got.headers()["content-type"], "application/json");
            assert_eq!(got.headers()["vary"], "accept-encoding");
            assert!(!got.headers().contains_key("content-encoding"));
            assert!(
                got.headers().keys().all(|name| !name.as_str().starts_with("x-")),
                "{:?}",
                got.headers()
            );

            let (expected, got) = (query_directly(&server, &theirs, true), proxy.get_gzip(&ours));
            assert_eq!(expected.headers()["content-encoding"], "gzip");
            assert_eq!(got.headers()["content-encoding"], "gzip");
            assert_eq!(got.body(), expected.body(), "{ours}");
        }
    }
    let seen: Value = serde_json::from_slice(
        proxy.get(&format!("/query?query=count(asdlc_http_requests_total)&time={end}")).body(),
    )
    .unwrap();
    assert_ne!(seen["data"]["result"], json!([]), "there was nothing to compare");
}

// O-09: all formats of a time and a step, in the URL and in a form.
#[test]
fn all_formats_of_a_time_have_the_same_response() {
    let (_orchestrator, server) = scraped();
    let proxy = Proxy::patient(&server.url());
    let response = |response: Response<Bytes>| {
        assert_eq!(response.status(), StatusCode::OK, "{:?}", response.body());
        serde_json::from_slice::<Value>(response.body()).unwrap()["data"].clone()
    };
    let query = "query=vector(time())";
    let seconds = response(
        proxy.get(&format!("/query_range?{query}&start=1714564800&end=1714564860&step=30")),
    );
    assert_eq!(seconds["result"][0]["values"].as_array().unwrap().len(), 3);
    for parameters in [
        "start=2024-05-01T12:00:00Z&end=2024-05-01T12:01:00Z&step=30s",
        "start=2024-05-01T14:00:00%2B02:00&end=1714564860.0&step=30000ms",
        "start=1714564800&end=1714564860&step=0.5m".replace("0.5m", "30.0").as_str(),
    ] {
        assert_eq!(response(proxy.get(&format!("/query_range?{query}&{parameters}"))), seconds);
        let request = Request::post("/api/metrics/query_range")
            .header("content-type", "application/x-www-form-urlencoded");
        let request = request.body(format!("{query}&{parameters}")).unwrap();
        assert_eq!(response(proxy.connect().send(request)), seconds);
    }
    // `now` is the current second, also with a server that does not support the word.
    let values = response(proxy.get(&format!("/query_range?{query}&start=now-1m&step=1m")));
    let values = values["result"][0]["values"].as_array().unwrap().clone();
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let last = values.last().unwrap()[0].as_f64().unwrap();
    assert!(values.len() == 2 && (now - last).abs() < 60.0, "{values:?} at {now}");
}

// O-09
#[test]
fn the_error_message_about_a_query_is_that_of_the_server() {
    let (_orchestrator, server) = scraped();
    let proxy = Proxy::patient(&server.url());
    for gzip in [false, true] {
        let path = "/query?query=sum(up";
        let response = if gzip { proxy.get_gzip(path) } else { proxy.get(path) };
        let (status, kind, message) = error_of(&response);
        assert_eq!((status, kind.as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "execution"));
        assert!(message.contains("sum(up"), "{message}");
        assert!(!message.contains("127.0.0.1"), "{message}");
    }
}

// O-10
#[test]
fn the_services_are_those_that_were_scraped() {
    let orchestrator = Example::start_with("orchestrator", &[("SERVICE_NAME", "zebra")]);
    let other = Example::start_with("orchestrator", &[("SERVICE_NAME", "aardvark \"ä\"")]);
    let server = VictoriaMetrics::scraping(orchestrator.address());
    let proxy = Proxy::patient(&server.url());
    let services = || serde_json::from_slice::<Value>(proxy.get("/services").body()).unwrap();
    assert!(eventually(DEADLINE, || services()["data"] == json!(["zebra"])), "{}", services());

    // The metrics of the other one are pushed instead of scraped.
    let scrape = other.scrape_response();
    let pushed = Connection::open(server.address())
        .send(Request::post("/api/v1/import/prometheus").body(scrape.into_body()).unwrap());
    assert_eq!(pushed.status(), StatusCode::NO_CONTENT);
    let expected = json!({"status": "success", "data": ["aardvark \"ä\"", "zebra"]});
    assert!(eventually(DEADLINE, || services() == expected), "{}", services());
}

// O-11, O-12
#[test]
fn health_and_queries_follow_a_server_that_is_killed_frozen_and_started_again() {
    let (_orchestrator, mut server) = scraped();
    let proxy = Proxy::of(&server.url());
    let query = "/query?query=count(asdlc_http_requests_total)";
    let is_up = || {
        let health = proxy.get("/health");
        let body: Value = serde_json::from_slice(health.body()).unwrap();
        let latency = body["data"]["latency_ms"].as_f64().unwrap_or(-1.0);
        let well = body["status"] == "success" && body["data"]["healthy"] == true;
        assert!(latency >= 0.0, "{body}");
        well && health.status() == StatusCode::OK && proxy.get(query).status() == StatusCode::OK
    };
    assert!(is_up());
    for _ in 0..2 {
        server.kill();
        assert_eq!(failure_of(&proxy.get(query)).0, 503);
        // By now the kept connection is known to be closed.
        assert_eq!(failure_of(&proxy.get(query)), (503, "unreachable".to_owned()));
        assert_eq!(failure_of(&proxy.get("/health")), (503, "unreachable".to_owned()));
        server.start_again();
        assert!(eventually(DEADLINE, is_up), "the proxy did not recover");

        server.process().freeze();
        assert_eq!(failure_of(&proxy.get(query)), (503, "timeout".to_owned()));
        let health = proxy.get("/health");
        assert_eq!(failure_of(&health), (503, "timeout".to_owned()));
        let body: Value = serde_json::from_slice(health.body()).unwrap();
        assert_eq!(body["data"]["healthy"], false);
        server.process().thaw();
        assert!(eventually(DEADLINE, is_up), "the proxy did not recover");
    }
    assert_eq!(proxy.metric("query_proxy_requests_in_flight", &[]), 0.0);
}
