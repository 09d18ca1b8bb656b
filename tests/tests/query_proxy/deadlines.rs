//! Identical queries that arrive at different times share one call, and each has its own deadline.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use asdlc_tests::wait::{DEADLINE, eventually};

use crate::proxy::{Proxy, RANGE, failure_of};
use crate::upstream::{EMPTY, Gate, HEAD, Upstream, await_close, json};

const TIMEOUT: Duration = Duration::from_secs(3);
/// A proxy of an upstream that responds when the gate opens.
fn gated() -> (Gate, Upstream, Proxy) {
    let (gate, upstream) = Upstream::gated();
    let proxy = Proxy::with(upstream.proxy().with_timeout(TIMEOUT));
    (gate, upstream, proxy)
}

/// These tests are about time, so they sleep.
fn wait_until(time: Instant) {
    thread::sleep(time.saturating_duration_since(Instant::now()));
}

// F-30
#[test]
fn a_late_client_has_its_whole_timeout() {
    let (gate, upstream, proxy) = gated();
    thread::scope(|scope| {
        let proxy = &proxy;
        let start = Instant::now();
        let first = scope.spawn(move || proxy.get(RANGE));
        upstream.await_seen(1);
        wait_until(start + TIMEOUT / 2);
        let joins = scope.spawn(move || proxy.get(RANGE));
        proxy.await_in_flight(2.0);
        assert_eq!(failure_of(&first.join().unwrap()), (503, "timeout".to_owned()));
        gate.open();
        let response = joins.join().unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (200, EMPTY.as_bytes()));
    });
    assert_eq!(upstream.seen().len(), 1);
    assert_eq!(proxy.metric("query_proxy_shared_total", &[("route", "query_range")]), 1.0);
    // The call got its response: it is not cancelled, and counts once.
    assert_eq!(proxy.metric("query_proxy_upstream_cancelled_total", &[]), 0.0);
    assert_eq!(proxy.metric("query_proxy_upstream_duration_seconds_count", &[]), 1.0);
}

// F-30, a neighbour: the first client has little time left, because its form arrived slowly.
#[test]
fn a_slow_form_does_not_fail_the_clients_that_join() {
    let (gate, upstream, proxy) = gated();
    let start = Instant::now();
    let form = "query=up&start=0&end=60&step=15";
    let mut slow = TcpStream::connect(proxy.address()).unwrap();
    slow.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = format!(
        "POST /api/metrics/query_range HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    slow.write_all(head.as_bytes()).unwrap();
    proxy.await_in_flight(1.0);
    wait_until(start + TIMEOUT - Duration::from_millis(700));
    slow.write_all(form.as_bytes()).unwrap();
    upstream.await_seen(1);
    thread::scope(|scope| {
        let proxy = &proxy;
        let joins = scope.spawn(move || proxy.get(RANGE));
        let mut response = [0; 12];
        slow.read_exact(&mut response).unwrap();
        assert_eq!(&response, b"HTTP/1.1 503");
        gate.open();
        assert_eq!(joins.join().unwrap().status(), 200);
    });
}

// F-30, a neighbour: the upstream times out with the timeout of the first client.
#[test]
fn a_late_client_queries_again_when_the_upstream_has_timed_out() {
    for refusal in ["422 Unprocessable Entity", "503 Service Unavailable"] {
        let gave_up = AtomicBool::new(false);
        let upstream = Upstream::reading(move |stream, request| {
            if gave_up.swap(true, Ordering::SeqCst) {
                let _ = stream.write_all(json(EMPTY).as_bytes());
                return;
            }
            let timeout = request.split("timeout=").nth(1).unwrap().split(' ').next().unwrap();
            thread::sleep(Duration::from_secs_f64(timeout.parse().unwrap()));
            let body = r#"{"status":"error","errorType":"422","error":"timeout exceeded"}"#;
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {refusal}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            );
        });
        let builder = upstream.proxy().with_timeout(TIMEOUT);
        let proxy = Proxy::with(builder);
        thread::scope(|scope| {
            let proxy = &proxy;
            let start = Instant::now();
            let first = scope.spawn(move || proxy.get(RANGE));
            upstream.await_seen(1);
            wait_until(start + TIMEOUT / 2);
            let joins: Vec<_> = (0..3).map(|_| scope.spawn(move || proxy.get(RANGE))).collect();
            assert_ne!(first.join().unwrap().status(), 200);
            for response in joins {
                assert_eq!(response.join().unwrap().status(), 200);
            }
        });
        // They share the second call, unless one of them arrives after its response.
        assert!((2..=4).contains(&upstream.seen().len()), "{}", upstream.seen().len());
    }
}

// F-30: the call ends when the deadlines of all clients have passed.
#[test]
fn a_call_ends_with_the_last_deadline() {
    let upstream = Upstream::start(await_close);
    let builder = upstream.proxy().with_timeout(TIMEOUT);
    let proxy = Proxy::with(builder);
    thread::scope(|scope| {
        let proxy = &proxy;
        let start = Instant::now();
        let first = scope.spawn(move || proxy.get(RANGE));
        upstream.await_seen(1);
        wait_until(start + TIMEOUT / 2);
        let second = scope.spawn(move || proxy.get(RANGE));
        for client in [first, second] {
            assert_eq!(failure_of(&client.join().unwrap()), (503, "timeout".to_owned()));
        }
        assert!(start.elapsed() >= TIMEOUT * 3 / 2 - Duration::from_millis(50));
    });
    let ended = || proxy.metric("query_proxy_upstream_duration_seconds_count", &[]) == 1.0;
    assert!(eventually(DEADLINE, ended), "the call has not ended");
    // The clients did not leave, so the call was not cancelled.
    assert_eq!(proxy.metric("query_proxy_upstream_cancelled_total", &[]), 0.0);
    assert_eq!(upstream.seen().len(), 1);
}

// F-30, a neighbour: a client that does not read a long response.
#[test]
fn a_client_that_does_not_read_releases_its_permit_at_its_deadline() {
    let upstream = Upstream::reading(|stream, request| {
        if request.contains("query=up") {
            let _ = stream.write_all(json(EMPTY).as_bytes());
            return;
        }
        let head = format!("{HEAD}Content-Length: 1000000000\r\n\r\n{{");
        let mut sent = stream.write_all(head.as_bytes());
        while sent.is_ok() {
            sent = stream.write_all(&[b' '; 1 << 16]);
        }
    });
    let builder = upstream.proxy().with_timeout(3 * TIMEOUT);
    let proxy = Proxy::with(builder.with_max_in_flight(1).with_max_response_bytes(u64::MAX));
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    write!(client, "GET /api/metrics/query?query=long&time=1 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let busy = || proxy.get("/query?query=up&time=1").status() == 429;
    upstream.await_seen(1);
    assert!(busy(), "the response has no permit");
    assert!(eventually(DEADLINE, || !busy()), "the response still has its permit");
    assert_eq!(proxy.metric("query_proxy_requests_in_flight", &[]), 1.0, "its connection is open");
    drop(client);
}

// F-30: the query of the health check, sent by a client, counts against the limit and is another call.
#[test]
fn health_and_queries_share_nothing() {
    let (gate, upstream, _) = gated();
    let builder = upstream.proxy().with_timeout(TIMEOUT);
    let proxy = Proxy::with(builder.with_max_in_flight(1));
    thread::scope(|scope| {
        let proxy = &proxy;
        let health = scope.spawn(move || proxy.get("/health"));
        upstream.await_seen(1);
        let request = upstream.seen().remove(0);
        let form = request.split(['?', ' ']).nth(2).unwrap();
        let query = form.split('&').next().unwrap().to_owned();
        let client = scope.spawn(move || proxy.get(&format!("/query?{query}&time=0")));
        upstream.await_seen(2);
        assert_eq!(failure_of(&proxy.get(RANGE)), (429, "too_many_requests".to_owned()));
        gate.open();
        assert_eq!(health.join().unwrap().status(), 200);
        assert_eq!(client.join().unwrap().status(), 200);
    });
}
