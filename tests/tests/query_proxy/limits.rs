//! Limits of upstreams and clients.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use asdlc_tests::wait::{DEADLINE, eventually};
use http::Request;

use crate::proxy::{Proxy, QUERY, error_of, failure_of};
use crate::upstream::{EMPTY, Gate, HEAD, Upstream, json, reset};

/// The bytes of a response on a plain socket, and whether the connection ended after them. `begun` is opened when the
/// response begins.
fn read_raw(proxy: &Proxy, path: &str, begun: &Gate) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!("GET /api/metrics{path} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (bytes, true),
            Ok(read) => {
                begun.open();
                bytes.extend_from_slice(&buffer[..read]);
            }
            Err(error) => {
                let timed_out = matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                );
                return (bytes, !timed_out);
            }
        }
        // The connection stays open after a complete response.
        if bytes.ends_with(b"\r\n0\r\n\r\n") {
            return (bytes, false);
        }
    }
}

// X-07: a response that fails half-way does not look complete, with a length and without.
#[test]
fn a_failure_half_way_cuts_the_connection() {
    for chunked in [false, true] {
        for resets in [false, true] {
            let begun = Gate::default();
            let is_read = begun.clone();
            let upstream = Upstream::start(move |stream| {
                let piece = vec![b' '; 64 << 10];
                let head =
                    if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 4194305" };
                stream.write_all(format!("{HEAD}{head}\r\n\r\n").as_bytes()).unwrap();
                for at in 0..48 {
                    let begin = if at == 0 { "{" } else { " " };
                    let piece = [begin.as_bytes(), &piece[1..]].concat();
                    let sent = if chunked {
                        write!(stream, "{:x}\r\n", piece.len())
                            .and_then(|()| stream.write_all(&piece))
                            .and_then(|()| stream.write_all(b"\r\n"))
                    } else {
                        stream.write_all(&piece)
                    };
                    sent.unwrap();
                }
                // A reset discards what was not read yet.
                is_read.wait();
                if resets {
                    reset(stream);
                }
            });
            let proxy = Proxy::patient(&upstream.url());
            let (bytes, closed) = read_raw(&proxy, QUERY, &begun);
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).to_lowercase();
            assert!(text.starts_with("http/1.1 200 "), "{text}");
            assert_eq!(text.contains("content-length: 4194305"), !chunked, "{text}");
            assert!(
                closed && bytes.len() < 4 << 20 && !bytes.ends_with(b"0\r\n\r\n"),
                "it looks complete"
            );
            let lost = [("outcome", "connection_lost"), ("route", "query")];
            assert_eq!(proxy.metric("query_proxy_requests_total", &lost), 1.0);
            assert_eq!(proxy.metric("query_proxy_requests_in_flight", &[]), 0.0);
        }
    }
}

fn endless(sent: &Arc<AtomicU64>) -> Upstream {
    let sent = Arc::clone(sent);
    Upstream::start(move |stream| {
        let _ = stream
            .write_all(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n").as_bytes());
        let piece = [b"10000\r\n".as_slice(), &vec![b' '; 64 << 10], b"\r\n"].concat();
        while sent.load(Ordering::Relaxed) < 10 << 30 && stream.write_all(&piece).is_ok() {
            sent.fetch_add(64 << 10, Ordering::Relaxed);
        }
    })
}

// X-07
#[test]
fn an_endless_response_is_cut_off_at_the_limit() {
    for (limit, starts) in [(64 << 10, false), (8 << 20, true)] {
        let sent = Arc::default();
        let upstream = endless(&sent);
        let proxy = Proxy::with(upstream.proxy().with_max_response_bytes(limit));
        if starts {
            let (bytes, closed) = read_raw(&proxy, QUERY, &Gate::default());
            assert!(closed && bytes.starts_with(b"HTTP/1.1 200 "), "the response does not end");
            assert!((bytes.len() as u64) < limit + (1 << 20), "{}", bytes.len());
        } else {
            assert_eq!(failure_of(&proxy.get(QUERY)), (502, "too_large".to_owned()));
        }
        let large = [("outcome", "too_large")];
        assert_eq!(proxy.metric("query_proxy_requests_total", &large), 1.0);
        assert!(sent.load(Ordering::Relaxed) < limit + (32 << 20));
        // A list of services is not streamed.
        assert_eq!(failure_of(&proxy.get("/services")), (502, "too_large".to_owned()));
    }
}

// X-07: memory is bounded, because the proxy does not read ahead of the client.
#[test]
fn an_upstream_waits_for_a_client_that_does_not_read() {
    let sent = Arc::default();
    let upstream = endless(&sent);
    let builder = upstream.proxy().with_max_response_bytes(u64::MAX);
    let proxy = Proxy::with(builder);
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    write!(stream, "GET /api/metrics{QUERY} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    // The upstream waits: the number stays the same for a while.
    let (mut last, mut same) = (0, 0);
    let is_constant = eventually(DEADLINE, || {
        let now = sent.load(Ordering::Relaxed);
        same = if now == last && now > 0 { same + 1 } else { 0 };
        last = now;
        same > 50
    });
    assert!(is_constant, "{last} bytes, and still reading");
    // 1 MiB, and the buffers of three sockets.
    assert!(last < 48 << 20, "{last} bytes were read ahead");
    let mut buffer = vec![0; 1 << 20];
    stream.read_exact(&mut buffer).unwrap();
    assert!(buffer.starts_with(b"HTTP/1.1 200 "));
    drop(stream);
    let ended = eventually(DEADLINE, || {
        proxy.metric("query_proxy_requests_total", &[("outcome", "cancelled")]) == 1.0
    });
    assert!(ended, "a client that leaves half-way is not recorded as cancelled");
}

// O-12, X-07: the timeout covers the whole response, also for a client that reads slowly.
#[test]
fn the_timeout_covers_the_whole_response() {
    let sent = Arc::default();
    let upstream = endless(&sent);
    let builder = upstream.proxy().with_max_response_bytes(u64::MAX);
    let proxy = Proxy::with(builder.with_timeout(Duration::from_secs(1)));
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    write!(stream, "GET /api/metrics{QUERY} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let timed_out = || proxy.metric("query_proxy_requests_total", &[("outcome", "timeout")]) == 1.0;
    let mut buffer = vec![0; 1 << 16];
    // The client reads a little from time to time.
    assert!(
        eventually(DEADLINE, || timed_out() || stream.read(&mut buffer).is_err()),
        "the response does not end"
    );
    assert!(eventually(DEADLINE, timed_out));
}

// X-07
#[test]
fn too_many_concurrent_queries_are_refused_with_retry_after() {
    let (gate, upstream) = Upstream::gated();
    let proxy = Proxy::with(upstream.proxy().with_max_in_flight(2));
    thread::scope(|scope| {
        let proxy = &proxy;
        let waiting: Vec<_> = (0..2)
            .map(|at| scope.spawn(move || proxy.get(&format!("/query?query=up&time={at}"))))
            .collect();
        upstream.await_seen(2);
        let response = proxy.get("/query?query=up&time=2");
        assert_eq!(failure_of(&response), (429, "too_many_requests".to_owned()));
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(failure_of(&proxy.get("/services")), (429, "too_many_requests".to_owned()));
        assert_eq!(
            proxy.metric("query_proxy_rejected_total", &[("reason", "too_many_requests")]),
            2.0
        );
        assert_eq!(proxy.metric("query_proxy_requests_in_flight", &[]), 2.0);
        // Health is still queried.
        let health = scope.spawn(move || proxy.get("/health"));
        upstream.await_seen(3);
        gate.open();
        assert_eq!(health.join().unwrap().status(), 200);
        for response in waiting {
            assert_eq!(response.join().unwrap().status(), 200);
        }
    });
    assert_eq!(upstream.seen().len(), 3);
    assert_eq!(proxy.get("/query?query=up&time=2").status(), 200);
}

// X-07
#[test]
fn forms_are_limited_in_length_and_time() {
    let upstream = Upstream::saying(json(EMPTY));
    let proxy = Proxy::of(&upstream.url());
    let post = |body: String| {
        let request = Request::post("/api/metrics/query");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        proxy.connect().send(request.body(body).unwrap())
    };
    assert_eq!(post("query=up".to_owned()).status(), 200);
    let (status, kind, message) = error_of(&post(format!("query={}", "%78".repeat(22_000))));
    assert_eq!((status.as_u16(), kind.as_str()), (413, "too_long"));
    assert!(message.contains("65536"), "{message}");
    let (_, kind, message) = error_of(&post(format!("query={}", "x".repeat(16 * 1024 + 1))));
    assert_eq!(
        (kind.as_str(), message.as_str()),
        ("bad_data", r#"invalid parameter "query" of 16385 bytes: must be at most 16384 bytes"#)
    );

    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = "POST /api/metrics/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nquery=";
    stream.write_all(head.as_bytes()).unwrap();
    let mut response = [0; 12];
    stream.read_exact(&mut response).unwrap();
    assert_eq!(&response, b"HTTP/1.1 408");
    assert_eq!(upstream.seen().len(), 1);
}

// F-15, a neighbour: no other client can use a connection that waits for a form.
#[test]
fn a_client_that_does_not_send_its_form_gets_a_408_within_a_scrape_timeout() {
    let proxy = Proxy::patient(&Upstream::saying(json(EMPTY)).url());
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = "POST /api/metrics/query HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\
        Content-Type: application/x-www-form-urlencoded\r\n\r\nquery=";
    client.write_all(head.as_bytes()).unwrap();
    let mut response = [0; 12];
    client.read_exact(&mut response).expect("a response before the deadline of the query");
    assert_eq!(&response, b"HTTP/1.1 408");
}
