//! Clients that disconnect before the response.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use asdlc_tests::wait::{DEADLINE, eventually};

use crate::proxy::{Proxy, QUERY};
use crate::upstream::{EMPTY, Upstream, await_close};

fn send_query(proxy: &Proxy) -> TcpStream {
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    write!(stream, "GET /api/metrics{QUERY} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream
}

//
#[test]
fn a_query_is_cancelled_when_its_last_client_disconnects() {
    let closed = Arc::<AtomicU32>::default();
    let count = Arc::clone(&closed);
    let upstream = Upstream::start(move |stream| {
        await_close(stream);
        count.fetch_add(1, Ordering::Relaxed);
    });
    let proxy = Proxy::patient(&upstream.url());
    let clients: Vec<_> = (0..3).map(|_| send_query(&proxy)).collect();
    upstream.await_seen(1);
    proxy.await_in_flight(3.0);
    let cancelled = || proxy.metric("query_proxy_requests_total", &[("outcome", "cancelled")]);
    let mut left = 0.0;
    for client in clients {
        // The query runs as long as a client waits for it.
        assert_eq!(closed.load(Ordering::Relaxed), 0);
        drop(client);
        left += 1.0;
        assert!(
            eventually(DEADLINE, || cancelled() == left),
            "the proxy does not notice that the client left"
        );
    }
    assert!(
        eventually(DEADLINE, || closed.load(Ordering::Relaxed) == 1),
        "the query was not cancelled"
    );
    assert_eq!(proxy.metric("query_proxy_upstream_cancelled_total", &[("route", "query")]), 1.0);
    assert_eq!(proxy.metric("query_proxy_requests_in_flight", &[]), 0.0);
}

//
#[test]
fn a_client_that_stays_gets_the_response_to_the_query_of_one_that_left() {
    let (gate, upstream) = Upstream::gated();
    let proxy = Proxy::patient(&upstream.url());
    let first = send_query(&proxy);
    upstream.await_seen(1);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| proxy.get(QUERY));
        proxy.await_in_flight(2.0);
        drop(first);
        proxy.await_in_flight(1.0);
        gate.open();
        assert_eq!(second.join().unwrap().body(), EMPTY);
    });
    assert_eq!(upstream.seen().len(), 1);
    assert_eq!(proxy.metric("query_proxy_upstream_cancelled_total", &[]), 0.0);
}
