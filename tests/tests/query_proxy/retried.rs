//! An upstream that closes a kept connection while a request arrives on it.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::proxy::{Proxy, QUERY, failure_of};
use crate::upstream::{EMPTY, Gate, Upstream, await_close, kept_json, reset};

fn respond(stream: &mut TcpStream) -> bool {
    stream.write_all(kept_json(EMPTY).as_bytes()).is_ok()
}

/// Closes the connection, with FIN or with RST.
fn close(stream: &TcpStream, resets: bool) -> bool {
    if resets {
        reset(stream);
    }
    false
}

// F-28
#[test]
fn a_request_on_a_kept_connection_that_closes_is_sent_once_more() {
    for resets in [false, true] {
        let upstream = Upstream::keeping(move |stream, before| match before {
            0 => respond(stream),
            _ => close(stream, resets),
        });
        let proxy = Proxy::patient(&upstream.url());
        for at in 0..10 {
            let response = proxy.get(&format!("/query?query=up&time={at}"));
            assert_eq!(response.status(), 200, "query {at}: {:?}", response.body());
            assert_eq!(response.body(), EMPTY);
            assert_eq!(upstream.seen().len(), 1 + 2 * at, "after query {at}");
        }
        assert_eq!(proxy.get("/services").status(), 502, "an invalid list, but a response");
        assert_eq!(proxy.get("/health").status(), 200);
        let failed = [("outcome", "connection_lost")];
        assert_eq!(proxy.metric("query_proxy_requests_total", &failed), 0.0);
    }
}

// F-28, a neighbour: a form is sent once more with its body.
#[test]
fn a_long_query_is_sent_once_more_with_its_form() {
    let upstream = Upstream::keeping(|stream, before| before == 0 && respond(stream));
    let proxy = Proxy::patient(&upstream.url());
    assert_eq!(proxy.get(QUERY).status(), 200);
    let query = "x".repeat(16 * 1024);
    assert_eq!(proxy.get(&format!("/query?time=1&query={query}")).status(), 200);
    let seen = upstream.seen();
    let forms = seen.iter().filter(|request| request.starts_with("POST "));
    let whole = format!("query={query}&time=1&timeout=29");
    assert_eq!(forms.filter(|request| request.ends_with(&whole)).count(), 2);
}

// F-28, a neighbour: after an idle time all kept connections are dead, so the second attempt needs a new one.
#[test]
fn the_second_attempt_uses_a_new_connection_although_others_are_kept() {
    for resets in [false, true] {
        let (stale, gate) = (Arc::<AtomicBool>::default(), Gate::default());
        let (is_stale, held) = (Arc::clone(&stale), gate.clone());
        let upstream = Upstream::keeping(move |stream, before| match before {
            0 => held.wait() && respond(stream),
            _ if is_stale.load(Ordering::SeqCst) => close(stream, resets),
            _ => respond(stream),
        });
        let proxy = Proxy::patient(&upstream.url());
        thread::scope(|scope| {
            let proxy = &proxy;
            for at in 0..4 {
                scope.spawn(move || {
                    assert_eq!(proxy.get(&format!("/query?query=up&time={at}")).status(), 200);
                });
            }
            upstream.await_seen(4);
            gate.open();
        });
        stale.store(true, Ordering::SeqCst);
        for at in 0..4 {
            let response = proxy.get(&format!("/query?query=up&time={at}"));
            assert_eq!(response.status(), 200, "query {at}: {:?}", response.body());
            assert!(upstream.seen().len() <= 4 + 2 * (at + 1), "query {at} was sent three times");
        }
    }
}

// F-28
#[test]
fn nothing_is_sent_again_after_a_byte_of_a_response() {
    for begin in ["H", "HTTP/1.1 200 OK\r\nContent-Ty", "HTTP/1.1 100 Continue\r\n\r\n", "\r\n"] {
        let upstream = Upstream::keeping(move |stream, before| {
            if before == 0 {
                return respond(stream);
            }
            stream.write_all(begin.as_bytes()).unwrap();
            false
        });
        let proxy = Proxy::patient(&upstream.url());
        assert_eq!(proxy.get(QUERY).status(), 200);
        let lost = failure_of(&proxy.get(QUERY));
        assert_eq!(lost, (503, "connection_lost".to_owned()), "{begin:?}");
        assert_eq!(upstream.seen().len(), 2, "{begin:?}");
    }
}

// F-28
#[test]
fn nothing_is_sent_a_third_time() {
    for resets in [false, true] {
        let broken = Arc::<AtomicBool>::default();
        let is_broken = Arc::clone(&broken);
        let upstream = Upstream::keeping(move |stream, _| match is_broken.load(Ordering::SeqCst) {
            true => close(stream, resets),
            false => respond(stream),
        });
        let proxy = Proxy::patient(&upstream.url());
        assert_eq!(proxy.get(QUERY).status(), 200);
        broken.store(true, Ordering::SeqCst);
        assert_eq!(failure_of(&proxy.get(QUERY)), (503, "connection_lost".to_owned()));
        assert_eq!(upstream.seen().len(), 3);
        // A new connection was not closed because it was idle.
        assert_eq!(failure_of(&proxy.get(QUERY)), (503, "connection_lost".to_owned()));
        assert_eq!(upstream.seen().len(), 4);
    }
}

// F-28: an error response is final.
#[test]
fn a_request_with_an_error_response_is_not_sent_again() {
    for status in ["429 Too Many Requests", "503 Service Unavailable", "500 X", "400 Bad Request"] {
        let upstream = Upstream::keeping(move |stream, before| match before {
            0 => respond(stream),
            _ => write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").is_err(),
        });
        let proxy = Proxy::patient(&upstream.url());
        assert_eq!(proxy.get(QUERY).status(), 200);
        assert_ne!(proxy.get(QUERY).status(), 200);
        assert_eq!(upstream.seen().len(), 2, "{status}");
    }
}

// F-28: both attempts have one deadline.
#[test]
fn the_second_attempt_has_the_rest_of_the_timeout() {
    let connections = AtomicUsize::new(0);
    let upstream = Upstream::keeping(move |stream, before| {
        let new = before == 0;
        if new && connections.fetch_add(1, Ordering::SeqCst) == 0 {
            return respond(stream);
        }
        if new {
            await_close(stream);
        } else {
            // Most of the timeout of two seconds.
            thread::sleep(Duration::from_millis(1500));
        }
        false
    });
    let proxy = Proxy::of(&upstream.url());
    assert_eq!(proxy.get(QUERY).status(), 200);
    let start = Instant::now();
    assert_eq!(failure_of(&proxy.get(QUERY)), (503, "timeout".to_owned()));
    let took = start.elapsed();
    assert!((Duration::from_millis(1900)..Duration::from_millis(3400)).contains(&took), "{took:?}");
    assert_eq!(upstream.seen().len(), 3);
}

// F-31, a neighbour
#[test]
fn health_survives_a_kept_connection_that_went_silent() {
    let upstream = Upstream::keeping(move |stream, before| match before {
        0 => respond(stream),
        _ => {
            await_close(stream);
            false
        }
    });
    let proxy = Proxy::of(&upstream.url());
    for _ in 0..2 {
        let health = proxy.get("/health");
        assert_eq!(health.status(), 200, "{:?}", health.body());
    }
    assert_eq!(upstream.seen().len(), 3, "once, and once on each connection");
    // A query may be expensive: it is not sent twice.
    assert_eq!(failure_of(&proxy.get(QUERY)), (503, "timeout".to_owned()));
    assert_eq!(upstream.seen().len(), 4);
}

// F-31, a neighbour: new connections are silent.
#[test]
fn a_slow_response_on_a_kept_connection_is_healthy() {
    let connections = AtomicUsize::new(0);
    let upstream = Upstream::keeping(move |stream, before| {
        if before > 0 {
            // More than a third of the timeout, and less than all of it.
            thread::sleep(Duration::from_millis(1000));
        } else if connections.fetch_add(1, Ordering::SeqCst) > 0 {
            await_close(stream);
            return false;
        }
        respond(stream)
    });
    let proxy = Proxy::of(&upstream.url());
    for _ in 0..3 {
        assert_eq!(proxy.get("/health").status(), 200);
    }
}
