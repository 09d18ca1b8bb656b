//! Clients that leave.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use asdlc_tests::wait::{DEADLINE, eventually};

use crate::proxy::{Proxy, QUERY};
use crate::upstream::{EMPTY, Gate, Upstream, await_close, json};

fn ask(proxy: &Proxy) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    write!(stream, "GET /api/metrics{QUERY} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream
}

//
#[test]
fn a_client_that_leaves_takes_its_query_with_it() {
    let closed = Arc::<AtomicU32>::default();
    let count = Arc::clone(&closed);
    let upstream = Upstream::start(move |stream| {
        await_close(stream);
        count.fetch_add(1, Ordering::Relaxed);
    });
    let proxy = Proxy::patient(&upstream.url());
    let clients: Vec<_> = (0..3).map(|_| ask(&proxy)).collect();
    upstream.await_seen(1);
    let waiting = || proxy.metric("query_proxy_requests_in_flight", &[]);
    assert!(eventually(DEADLINE, || waiting() == 3.0), "the requests do not come");
    let cancelled = || proxy.metric("query_proxy_requests_total", &[("outcome", "cancelled")]);
    let mut left = 0.0;
    for client in clients {
        // The upstream works as long as somebody waits.
        assert_eq!(closed.load(Ordering::Relaxed), 0);
        drop(client);
        left += 1.0;
        assert!(
            eventually(DEADLINE, || cancelled() == left),
            "nobody notices that the client left"
        );
    }
    assert!(eventually(DEADLINE, || closed.load(Ordering::Relaxed) == 1), "the query goes on");
    assert_eq!(proxy.metric("query_proxy_upstream_cancelled_total", &[("route", "query")]), 1.0);
    assert_eq!(waiting(), 0.0);
}

//
#[test]
fn who_stays_gets_the_answer_that_who_left_had_asked_for() {
    let gate = Gate::default();
    let held = gate.clone();
    let upstream = Upstream::start(move |stream| {
        held.wait();
        let _ = stream.write_all(json(EMPTY).as_bytes());
    });
    let proxy = Proxy::patient(&upstream.url());
    let first = ask(&proxy);
    upstream.await_seen(1);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| proxy.get(QUERY));
        assert!(eventually(DEADLINE, || proxy.metric("query_proxy_requests_in_flight", &[]) == 2.0));
        drop(first);
        assert!(eventually(DEADLINE, || proxy.metric("query_proxy_requests_in_flight", &[]) == 1.0));
        gate.open();
        assert_eq!(second.join().unwrap().body(), EMPTY);
    });
    assert_eq!(upstream.seen().len(), 1);
    assert_eq!(proxy.metric("query_proxy_upstream_cancelled_total", &[]), 0.0);
}
