//! Clients that mean harm: each byte is theirs, and each request's end is known.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use asdlc_tests::wait::DEADLINE;
use fastrand::Rng;

use crate::clients::{QUERY, SUBMIT};
use crate::clock::Clock;
use crate::ledger::{Ledger, Route};

pub(crate) fn harm(address: SocketAddr, clock: &Clock, mut rng: Rng) -> Ledger {
    let mut sent = Ledger::default();
    while clock.is_running() {
        attack(address, &mut rng, &mut sent);
        thread::sleep(Duration::from_millis(rng.u64(..10)));
    }
    sent
}

fn attack(address: SocketAddr, rng: &mut Rng, sent: &mut Ledger) {
    let noise = noise(rng, 12);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: {noise}\r\n");
    let last = |request: String| request + "connection: close\r\n\r\n";
    let (request, route): (String, Route) = match rng.u8(..14) {
        // Paths, hosts, queries and methods that nobody has seen before.
        0 => (last(get(&format!("/{noise}?{noise}={noise}"))), ["GET", "_UNMATCHED"]),
        1 => (last(get(&format!("/%ff%00{noise}/../{noise}"))), ["GET", "_UNMATCHED"]),
        2 => (last(format!("{noise} /{noise} HTTP/1.1\r\nhost: a\r\n")), ["_OTHER", "_UNMATCHED"]),
        3 => {
            (last(format!("{noise} {} HTTP/1.1\r\nhost: a\r\n", SUBMIT[1])), ["_OTHER", SUBMIT[1]])
        }
        4 => (last(get(&format!("/api/v1/tasks/{}/artifact", rng.u64(..)))), ARTIFACT),
        5 => (last(get(&format!("/api/v1/tasks/{noise}/artifact"))), ARTIFACT),
        6 => (last(get(&format!("/api/metrics/{noise}?{noise}=%ff"))), QUERY),
        // Bodies that are none.
        7 => {
            let head = format!("POST {} HTTP/1.1\r\nhost: a\r\n", SUBMIT[1]);
            let body = [noise.clone(), "[".repeat(5000), format!(r#"{{"kind":"{noise}"}}"#)];
            let body = rng.choice(body).unwrap_or_default();
            let length = body.len();
            (
                last(format!(
                    "{head}content-type: application/json\r\ncontent-length: {length}\r\n"
                )) + &body,
                SUBMIT,
            )
        }
        8 => {
            let head = format!("POST {} HTTP/1.1\r\nhost: a\r\n", SUBMIT[1]);
            let chunked = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
            (last(head + chunked) + "zz\r\nnot a chunk", SUBMIT)
        }
        // Large, but not too large.
        9 => (
            last(get(&format!("/{noise}")) + &format!("x: {}\r\n", "x".repeat(60_000))),
            ["GET", "_UNMATCHED"],
        ),
        // All at once.
        10 => {
            let one = get(&format!("/{noise}")) + "\r\n";
            (one.repeat(rng.usize(1..20)) + &last(get(&noise_path(&noise))), ["GET", "_UNMATCHED"])
        }
        // hyper answers these itself: the service does not see them.
        11 => return refused(address, &(get("/health") + &"x: y\r\n".repeat(200) + "\r\n"), "431"),
        12 => return refused(address, &format!("{noise}\r\n\r\n"), "400"),
        // Half a head.
        _ => return drop(send(address, &get("/health"))),
    };
    let pipelined = request.matches(" HTTP/1.1\r\n").count();
    let answers = exchange(address, &request);
    assert_eq!(answers.len(), pipelined, "{answers:?} to {request}");
    for status in answers {
        sent.answered(route, status);
    }
}

fn noise_path(noise: &str) -> String {
    format!("/{noise}/{noise}")
}

fn refused(address: SocketAddr, request: &str, status: &str) {
    let answers = exchange(address, request);
    let answers: Vec<_> = answers.iter().map(u16::to_string).collect();
    // It may have closed the connection with so much unread that its answer was lost.
    assert!(answers.is_empty() || answers == [status], "{answers:?} to {request}");
}

/// The statuses of all that comes back.
fn exchange(address: SocketAddr, request: &str) -> Vec<u16> {
    let mut stream = send(address, request);
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline can be set");
    let mut response = Vec::new();
    match stream.read_to_end(&mut response) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{request}"),
    }
    let response = String::from_utf8_lossy(&response);
    let heads = response.split("HTTP/1.1 ").skip(1);
    heads.map(|head| head[..3].parse().expect("a status")).collect()
}

fn send(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it accepts a connection");
    // One who is refused may be told so before all is written.
    let _ = stream.write_all(request.as_bytes());
    stream
}

/// Upper case, as a method is.
fn noise(rng: &mut Rng, length: usize) -> String {
    std::iter::repeat_with(|| rng.uppercase()).take(length).collect()
}

const ARTIFACT: Route = ["GET", "/api/v1/tasks/{id}/artifact"];
