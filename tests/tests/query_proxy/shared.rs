//! Queries that are the same at the same time.

use std::io::Write;
use std::sync::Arc;
use std::thread;

use asdlc_tests::wait::{DEADLINE, eventually};

use crate::proxy::{Proxy, failure_of};
use crate::upstream::{EMPTY, Gate, HEAD, Upstream, json};

const RANGE: &str = "/query_range?query=up&start=0&end=60&step=15";

fn await_in_flight(proxy: &Proxy, requests: f64) {
    let there =
        eventually(DEADLINE, || proxy.metric("query_proxy_requests_in_flight", &[]) == requests);
    assert!(there, "the requests do not come");
}

//
#[test]
fn they_share_one_call_of_the_upstream() {
    let gate = Gate::default();
    let held = gate.clone();
    let upstream = Upstream::start(move |stream| {
        held.wait();
        let _ = stream.write_all(json(EMPTY).as_bytes());
    });
    let proxy = Proxy::patient(&upstream.url());
    thread::scope(|scope| {
        let proxy = &proxy;
        // The same range in other words.
        let paths = [RANGE, "/query_range?step=15s&end=1970-01-01T00:01:00Z&start=0.0&query=u%70"];
        let same: Vec<_> =
            (0..20).map(|at| scope.spawn(move || proxy.get(paths[at % 2]))).collect();
        await_in_flight(proxy, 20.0);
        let other = scope.spawn(move || proxy.get("/query_range?query=up&start=0&end=61&step=15"));
        let compressed = scope.spawn(move || proxy.get_gzip(RANGE));
        await_in_flight(proxy, 22.0);
        gate.open();
        for answer in same.into_iter().chain([other, compressed]) {
            let answer = answer.join().unwrap();
            assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, EMPTY.as_bytes()));
        }
    });
    assert_eq!(upstream.seen().len(), 3);
    assert_eq!(proxy.metric("query_proxy_shared_total", &[("route", "query_range")]), 19.0);
    // At the same time: nothing is kept.
    assert_eq!(proxy.get(RANGE).status(), 200);
    assert_eq!(upstream.seen().len(), 4);
}

//
#[test]
fn they_share_a_failure() {
    let gate = Gate::default();
    let held = gate.clone();
    let upstream = Upstream::start(move |_| {
        held.wait();
    });
    let proxy = Proxy::patient(&upstream.url());
    thread::scope(|scope| {
        let proxy = &proxy;
        let same: Vec<_> = (0..5).map(|_| scope.spawn(move || proxy.get(RANGE))).collect();
        await_in_flight(proxy, 5.0);
        gate.open();
        for answer in same {
            assert_eq!(failure_of(&answer.join().unwrap()), (503, "connection_lost".to_owned()));
        }
    });
    assert_eq!(upstream.seen().len(), 1);
}

// an answer that is too long to be kept is asked for again by each, and each gets all of it.
#[test]
fn an_answer_too_long_to_be_kept_is_whole_for_everybody() {
    let body: Arc<str> = format!("{{{}}}", "x".repeat(3 << 20)).into();
    let gate = Gate::default();
    let (held, said) = (gate.clone(), Arc::clone(&body));
    let upstream = Upstream::start(move |stream| {
        held.wait();
        let _ = stream
            .write_all(format!("{HEAD}Content-Length: {}\r\n\r\n{said}", said.len()).as_bytes());
    });
    let proxy = Proxy::patient(&upstream.url());
    thread::scope(|scope| {
        let proxy = &proxy;
        let same: Vec<_> = (0..4).map(|_| scope.spawn(move || proxy.get(RANGE))).collect();
        await_in_flight(proxy, 4.0);
        gate.open();
        for answer in same {
            let answer = answer.join().unwrap();
            assert_eq!(answer.headers()["content-length"], body.len().to_string().as_str());
            assert!(answer.body() == body.as_bytes(), "it is another one");
        }
    });
    assert_eq!(upstream.seen().len(), 4);
    assert_eq!(proxy.metric("query_proxy_shared_total", &[]), 0.0);
    let bytes = (4 * body.len()) as f64;
    assert_eq!(proxy.metric("query_proxy_response_bytes_total", &[]), bytes);
    assert_eq!(proxy.metric("query_proxy_requests_total", &[("outcome", "ok")]), 4.0);
}
