//! A client in a hurry beside a patient one, over real sockets.

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
fn a_hurried_scrape_does_not_make_redis_look_down_for_others() {
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
    // Says that the sources are asked.
    let (asked, is_asked) = mpsc::channel();
    let asked = Mutex::new(asked);
    exporter.add_source("asked", move || {
        // Nobody listens at the end of the test.
        let _ = asked.lock().expect("no panic").send(());
        async {}
    });
    let router = Router::new().route_service("/metrics", exporter.scrape_service());
    let server = Server::axum(router);
    let (text, hurried) = thread::scope(|scope| {
        // The first look is slow: before it nobody knows whether Redis is up.
        redis.process().freeze();
        let patient = scope.spawn(|| get(&server, "60"));
        is_asked.recv_timeout(Duration::from_secs(30)).expect("it is asked");
        let hurried = get(&server, "0.02");
        redis.process().thaw();
        let answer = patient.join().expect("no panic");
        assert_eq!(answer.status(), StatusCode::OK);
        (answer.into_body(), hurried)
    });
    let patient = Exposition::parse(&text).expect("valid text");
    assert_eq!(patient.value("redis_connection_up", &[]), Some(1.0));
    assert_eq!(patient.value("exporter_source_up", &[("source", "redis")]), Some(1.0));
    if hurried.status() == StatusCode::OK {
        // F-12, a neighbour: nor is it down for the hurried one.
        let text = String::from_utf8_lossy(hurried.body()).into_owned();
        assert!(!text.contains("redis_connection_up{"), "{text}");
    } else {
        assert_eq!(hurried.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
