//! The end of the service after SIGTERM.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use asdlc_tests::wait::{DEADLINE, eventually};

use super::harness::{Api, EVENT, EventStore, Silence, event_head};

#[test]
fn a_request_in_progress_gets_its_response_before_the_service_ends() {
    let store = EventStore::start();
    let api = Api::start_with(&[("EVENT_STORE_URL", &store.url())]);
    api.await_taken();
    store.0.process().freeze();
    let mut stream = post(&api);
    let (example, _directory) = api.into_example();
    let address = example.address();
    example.terminate();
    assert!(eventually(DEADLINE, || TcpStream::connect(address).is_err()));
    store.0.process().thaw();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server responds and closes");
    // 503 if the machine was so busy that the timeout of the event store expired.
    assert!(answer.starts_with("HTTP/1.1 201") || answer.starts_with("HTTP/1.1 503"), "{answer}");
    let finished = example.finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
}

#[test]
fn the_service_ends_in_time_although_its_dependencies_are_frozen() {
    let silence = Silence::start();
    let url = format!("http://{}/v1", silence.address());
    let redis = Silence::start();
    let api = Api::start_with(&[
        ("EVENT_STORE_URL", &url),
        ("REDIS_URL", &format!("redis://{}", redis.address())),
        ("DATABASE_URL", &format!("postgres://api@{}/api", silence.address())),
    ]);
    let _idle = api.connect();
    let _waiting = post(&api);
    // This request never ends, because its client does not send the whole body.
    let mut stuck = TcpStream::connect(api.address()).expect("the server listens");
    stuck
        .write_all(b"POST /v1/events HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\nContent-Type: application/json\r\n\r\n{")
        .expect("the server reads");
    let in_flight = [("method", "POST")];
    api.metrics_when(|scrape| {
        scrape.value("http_requests_in_flight", &in_flight).is_some_and(|count| count >= 1.0)
    });
    let (example, _directory) = api.into_example();
    let start = Instant::now();
    example.terminate();
    let finished = example.finish();
    let took = start.elapsed();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

// A-06
#[test]
fn readiness_is_draining_for_a_client_that_waits_during_the_shutdown() {
    let silence = Silence::start();
    let url = format!("http://{}/v1", silence.address());
    let mut last = String::new();
    let told = eventually(DEADLINE, || {
        let api = Api::start_with(&[("EVENT_STORE_URL", &url)]);
        let mut stream = TcpStream::connect(api.address()).expect("the server listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout can be set");
        stream
            .write_all(b"GET /v1/ready HTTP/1.1\r\nHost: test\r\n\r\n")
            .expect("the server reads");
        // The check takes half a second. On a busy machine it may end before the signal. Then the test tries again.
        let in_flight = [("method", "GET")];
        api.metrics_when(|scrape| scrape.value("http_requests_in_flight", &in_flight).is_some());
        api.terminate();
        last.clear();
        stream.read_to_string(&mut last).expect("the server responds and closes");
        last.starts_with("HTTP/1.1 503") && last.contains(r#""status":"draining""#)
    });
    assert!(told, "{last}");
}

/// Sends an event and returns when the request is in flight.
fn post(api: &Api) -> TcpStream {
    let mut stream = TcpStream::connect(api.address()).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout can be set");
    let request = event_head("") + EVENT;
    let ended = api.metrics().sum("http_requests_total");
    stream.write_all(request.as_bytes()).expect("the server reads");
    api.metrics_when(|scrape| {
        let in_flight = scrape.value("http_requests_in_flight", &[("method", "POST")]);
        in_flight == Some(1.0) || scrape.sum("http_requests_total") > ended
    });
    stream
}
