//! Equal queries that arrive at different times share one call, and each has its own deadline.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use asdlc_exporter::victoria_metrics::QueryProxy;
use asdlc_tests::wait::{DEADLINE, eventually};

use crate::proxy::{Proxy, failure_of};
use crate::upstream::{EMPTY, Gate, HEAD, Upstream, await_close, json};

const TIMEOUT: Duration = Duration::from_secs(3);
const RANGE: &str = "/query_range?query=up&start=0&end=60&step=15";

/// In front of an upstream that answers when the gate opens.
fn gated() -> (Gate, Upstream, Proxy) {
    let gate = Gate::default();
    let held = gate.clone();
    let upstream = Upstream::start(move |stream| {
        held.wait();
        let _ = stream.write_all(json(EMPTY).as_bytes());
    });
    let builder = QueryProxy::builder(upstream.url().leak() as &str).with_timeout(TIMEOUT);
    (gate, upstream, Proxy::with(builder))
}

fn await_in_flight(proxy: &Proxy, requests: f64) {
    let there =
        eventually(DEADLINE, || proxy.metric("query_proxy_requests_in_flight", &[]) == requests);
    assert!(there, "the requests do not come");
}

/// The time is what these tests are about.
fn wait_until(time: Instant) {
    thread::sleep(time.saturating_duration_since(Instant::now()));
}

// F-30
#[test]
fn who_joins_late_has_all_of_its_time() {
    let (gate, upstream, proxy) = gated();
    thread::scope(|scope| {
        let proxy = &proxy;
        let start = Instant::now();
        let first = scope.spawn(move || proxy.get(RANGE));
        upstream.await_seen(1);
        wait_until(start + TIMEOUT / 2);
        let joins = scope.spawn(move || proxy.get(RANGE));
        await_in_flight(proxy, 2.0);
        assert_eq!(failure_of(&first.join().unwrap()), (503, "timeout".to_owned()));
        gate.open();
        let answer = joins.join().unwrap();
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, EMPTY.as_bytes()));
    });
    assert_eq!(upstream.seen().len(), 1);
    assert_eq!(proxy.metric("query_proxy_shared_total", &[("route", "query_range")]), 1.0);
    // It was answered: it is neither cancelled nor counted twice.
    assert_eq!(proxy.metric("query_proxy_upstream_cancelled_total", &[]), 0.0);
    assert_eq!(proxy.metric("query_proxy_upstream_duration_seconds_count", &[]), 1.0);
}

// F-30, a neighbour: a client whose form came slowly has hardly any time left when it asks first.
#[test]
fn a_slow_form_does_not_fail_those_who_join() {
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
    await_in_flight(&proxy, 1.0);
    wait_until(start + TIMEOUT - Duration::from_millis(700));
    slow.write_all(form.as_bytes()).unwrap();
    upstream.await_seen(1);
    thread::scope(|scope| {
        let proxy = &proxy;
        let joins = scope.spawn(move || proxy.get(RANGE));
        let mut answer = [0; 12];
        slow.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 503");
        gate.open();
        assert_eq!(joins.join().unwrap().status(), 200);
    });
}

// F-30, a neighbour: the upstream gives up when the first client's time is up, as it was asked to.
#[test]
fn who_joins_late_asks_again_when_the_upstream_has_given_up() {
    for refusal in ["422 Unprocessable Entity", "503 Service Unavailable"] {
        let gave_up = AtomicBool::new(false);
        let upstream = Upstream::reading(move |stream, request| {
            if gave_up.swap(true, Ordering::SeqCst) {
                let _ = stream.write_all(json(EMPTY).as_bytes());
                return;
            }
            let told = request.split("timeout=").nth(1).unwrap().split(' ').next().unwrap();
            thread::sleep(Duration::from_secs_f64(told.parse().unwrap()));
            let body = r#"{"status":"error","errorType":"422","error":"timeout exceeded"}"#;
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 {refusal}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            );
        });
        let builder = QueryProxy::builder(upstream.url().leak() as &str).with_timeout(TIMEOUT);
        let proxy = Proxy::with(builder);
        thread::scope(|scope| {
            let proxy = &proxy;
            let start = Instant::now();
            let first = scope.spawn(move || proxy.get(RANGE));
            upstream.await_seen(1);
            wait_until(start + TIMEOUT / 2);
            let joins: Vec<_> = (0..3).map(|_| scope.spawn(move || proxy.get(RANGE))).collect();
            assert_ne!(first.join().unwrap().status(), 200);
            for answer in joins {
                assert_eq!(answer.join().unwrap().status(), 200);
            }
        });
        // They share the second call, unless one of them comes when it has been answered.
        assert!((2..=4).contains(&upstream.seen().len()), "{}", upstream.seen().len());
    }
}

// F-30: when everybody's time is up, the call ends.
#[test]
fn a_call_ends_with_the_last_deadline() {
    let upstream = Upstream::start(await_close);
    let builder = QueryProxy::builder(upstream.url().leak() as &str).with_timeout(TIMEOUT);
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
    assert!(eventually(DEADLINE, ended), "the call goes on");
    // It is no call that was given up because the clients left.
    assert_eq!(proxy.metric("query_proxy_upstream_cancelled_total", &[]), 0.0);
    assert_eq!(upstream.seen().len(), 1);
}

// F-30, a neighbour: a client that does not read a long answer.
#[test]
fn a_client_that_does_not_read_gives_its_place_back_when_its_time_is_up() {
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
    let builder = QueryProxy::builder(upstream.url().leak() as &str).with_timeout(3 * TIMEOUT);
    let proxy = Proxy::with(builder.with_max_in_flight(1).with_max_answer_bytes(u64::MAX));
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    write!(client, "GET /api/metrics/query?query=long&time=1 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let busy = || proxy.get("/query?query=up&time=1").status() == 429;
    upstream.await_seen(1);
    assert!(busy(), "it has no place");
    assert!(eventually(DEADLINE, || !busy()), "it keeps its place");
    assert_eq!(proxy.metric("query_proxy_requests_in_flight", &[]), 1.0, "it is still there");
    drop(client);
}

// F-30: a query in the words of the health check is a query: it counts against the limit, and the check is another call.
#[test]
fn health_and_queries_share_nothing() {
    let (gate, upstream, _) = gated();
    let builder = QueryProxy::builder(upstream.url().leak() as &str).with_timeout(TIMEOUT);
    let proxy = Proxy::with(builder.with_max_in_flight(1));
    thread::scope(|scope| {
        let proxy = &proxy;
        let health = scope.spawn(move || proxy.get("/health"));
        upstream.await_seen(1);
        let asked = upstream.seen().remove(0);
        let words = asked.split(['?', ' ']).nth(2).unwrap();
        let words = words.split('&').next().unwrap().to_owned();
        let query = scope.spawn(move || proxy.get(&format!("/query?{words}&time=0")));
        upstream.await_seen(2);
        assert_eq!(failure_of(&proxy.get(RANGE)), (429, "too_many_requests".to_owned()));
        gate.open();
        assert_eq!(health.join().unwrap().status(), 200);
        assert_eq!(query.join().unwrap().status(), 200);
    });
}
