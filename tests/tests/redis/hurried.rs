//! A scrape with a short timeout next to one with a long timeout, over real sockets.

use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use asdlc_exporter::{Exporter, redis::RedisProbe};
use asdlc_tests::client::Connection;
use asdlc_tests::exposition::Exposition;
use asdlc_tests::in_process::Server;
use asdlc_tests::servers::Redis;
use axum::Router;
use http::{Request, StatusCode};
use tokio::runtime::Runtime;

fn get(server: &Server, timeout: &str) -> http::Response<bytes::Bytes> {
    let request = Request::get("/metrics")
        .header("x-prometheus-scrape-timeout-seconds", timeout)
        .body("")
        .expect("a request");
    Connection::open(server.address()).send(request)
}

// F-12
#[test]
fn a_scrape_with_a_short_timeout_does_not_make_redis_down_for_others() {
    let exporter = Exporter::builder("under-test")
        .with_source_timeout(Duration::from_secs(60))
        .with_scrape_timeout(Duration::from_secs(60))
        .with_self_metrics()
        .build()
        .expect("it is valid");
    let redis = Redis::start();
    let runtime = Runtime::new().expect("a runtime");
    {
        let _drives_the_connection = runtime.enter();
        let probe = RedisProbe::open(&redis.url()).expect("the URL is valid");
        let longest = Duration::from_millis(4_500);
        probe.with_timeout(longest).expect("it is allowed").register(&exporter);
    }
    // Reports when the sources are refreshed.
    let (refreshed, is_refreshed) = mpsc::channel();
    let refreshed = Mutex::new(refreshed);
    exporter.add_source("refreshed", move || {
        // At the end of the test there is no receiver.
        let _ = refreshed.lock().expect("no panic").send(());
        async {}
    });
    let router = Router::new().route_service("/metrics", exporter.scrape_service());
    let server = Server::axum(router);
    let (text, hurried) = thread::scope(|scope| {
        // The first attempt is slow. Before it ends, it is unknown whether Redis is up.
        redis.process().freeze();
        let patient = scope.spawn(|| get(&server, "60"));
        is_refreshed.recv_timeout(Duration::from_secs(30)).expect("a refresh");
        let hurried = get(&server, "0.02");
        redis.process().thaw();
        let response = patient.join().expect("no panic");
        assert_eq!(response.status(), StatusCode::OK);
        (response.into_body(), hurried)
    });
    let patient = Exposition::parse(&text).expect("valid text");
    assert_eq!(patient.value("redis_connection_up", &[]), Some(1.0));
    assert_eq!(patient.value("exporter_source_up", &[("source", "redis")]), Some(1.0));
    if hurried.status() == StatusCode::OK {
        // F-12, a neighbour: it is not down for the short one either.
        let text = String::from_utf8_lossy(hurried.body()).into_owned();
        assert!(!text.contains("redis_connection_up{"), "{text}");
    } else {
        assert_eq!(hurried.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
