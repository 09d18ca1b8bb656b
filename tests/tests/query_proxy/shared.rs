//! Identical queries at the same time.

use std::io::Write;
use std::sync::Arc;
use std::thread;

use crate::proxy::{Proxy, RANGE, failure_of};
use crate::upstream::{EMPTY, Gate, HEAD, Upstream};

//
#[test]
fn identical_queries_share_one_call() {
    let (gate, upstream) = Upstream::gated();
    let proxy = Proxy::patient(&upstream.url());
    thread::scope(|scope| {
        let proxy = &proxy;
        // The same range, written differently.
        let paths = [RANGE, "/query_range?step=15s&end=1970-01-01T00:01:00Z&start=0.0&query=u%70"];
        let same: Vec<_> =
            (0..20).map(|at| scope.spawn(move || proxy.get(paths[at % 2]))).collect();
        proxy.await_in_flight(20.0);
        let other = scope.spawn(move || proxy.get("/query_range?query=up&start=0&end=61&step=15"));
        let compressed = scope.spawn(move || proxy.get_gzip(RANGE));
        proxy.await_in_flight(22.0);
        gate.open();
        for response in same.into_iter().chain([other, compressed]) {
            let response = response.join().unwrap();
            assert_eq!((response.status().as_u16(), &response.body()[..]), (200, EMPTY.as_bytes()));
        }
    });
    assert_eq!(upstream.seen().len(), 3);
    assert_eq!(proxy.metric("query_proxy_shared_total", &[("route", "query_range")]), 19.0);
    // A later query is another call: nothing is cached.
    assert_eq!(proxy.get(RANGE).status(), 200);
    assert_eq!(upstream.seen().len(), 4);
}

//
#[test]
fn identical_queries_share_a_failure() {
    let gate = Gate::default();
    let held = gate.clone();
    let upstream = Upstream::start(move |_| {
        held.wait();
    });
    let proxy = Proxy::patient(&upstream.url());
    thread::scope(|scope| {
        let proxy = &proxy;
        let same: Vec<_> = (0..5).map(|_| scope.spawn(move || proxy.get(RANGE))).collect();
        proxy.await_in_flight(5.0);
        gate.open();
        for response in same {
            assert_eq!(failure_of(&response.join().unwrap()), (503, "connection_lost".to_owned()));
        }
    });
    assert_eq!(upstream.seen().len(), 1);
}

// a response that is too long to share needs a call for each client.
#[test]
fn a_response_too_long_to_share_is_complete_for_each_client() {
    let body: Arc<str> = format!("{{{}}}", "x".repeat(3 << 20)).into();
    let gate = Gate::default();
    let (held, sent) = (gate.clone(), Arc::clone(&body));
    let upstream = Upstream::start(move |stream| {
        held.wait();
        let _ = stream
            .write_all(format!("{HEAD}Content-Length: {}\r\n\r\n{sent}", sent.len()).as_bytes());
    });
    let proxy = Proxy::patient(&upstream.url());
    thread::scope(|scope| {
        let proxy = &proxy;
        let same: Vec<_> = (0..4).map(|_| scope.spawn(move || proxy.get(RANGE))).collect();
        proxy.await_in_flight(4.0);
        gate.open();
        for response in same {
            let response = response.join().unwrap();
            assert_eq!(response.headers()["content-length"], body.len().to_string().as_str());
            assert!(response.body() == body.as_bytes(), "the body differs");
        }
    });
    assert_eq!(upstream.seen().len(), 4);
    assert_eq!(proxy.metric("query_proxy_shared_total", &[]), 0.0);
    let bytes = (4 * body.len()) as f64;
    assert_eq!(proxy.metric("query_proxy_response_bytes_total", &[]), bytes);
    assert_eq!(proxy.metric("query_proxy_requests_total", &[("outcome", "ok")]), 4.0);
}
