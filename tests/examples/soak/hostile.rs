//! Hostile clients. Each request is written byte by byte, and its outcome is known.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use asdlc_tests::wait::DEADLINE;
use fastrand::Rng;

use crate::clients::{QUERY, SUBMIT};
use crate::clock::Clock;
use crate::ledger::{Ledger, Route};

pub(crate) fn attack_until_end(address: SocketAddr, clock: &Clock, mut rng: Rng) -> Ledger {
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
        // Random paths, hosts, queries and methods.
        0 => (last(get(&format!("/{noise}?{noise}={noise}"))), ["GET", "_UNMATCHED"]),
        1 => (last(get(&format!("/%ff%00{noise}/../{noise}"))), ["GET", "_UNMATCHED"]),
        2 => (last(format!("{noise} /{noise} HTTP/1.1\r\nhost: a\r\n")), ["_OTHER", "_UNMATCHED"]),
        3 => {
            (last(format!("{noise} {} HTTP/1.1\r\nhost: a\r\n", SUBMIT[1])), ["_OTHER", SUBMIT[1]])
        }
        4 => (last(get(&format!("/api/v1/tasks/{}/artifact", rng.u64(..)))), ARTIFACT),
        5 => (last(get(&format!("/api/v1/tasks/{noise}/artifact"))), ARTIFACT),
        6 => (last(get(&format!("/api/metrics/{noise}?{noise}=%ff"))), QUERY),
        // Invalid bodies.
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
        // Large, but within the limit.
        9 => (
            last(get(&format!("/{noise}")) + &format!("x: {}\r\n", "x".repeat(60_000))),
            ["GET", "_UNMATCHED"],
        ),
        // Pipelined requests.
        10 => {
            let one = get(&format!("/{noise}")) + "\r\n";
            (one.repeat(rng.usize(1..20)) + &last(get(&noise_path(&noise))), ["GET", "_UNMATCHED"])
        }
        // hyper responds to these itself. The service does not see them.
        11 => {
            return assert_rejected(
                address,
                &(get("/health") + &"x: y\r\n".repeat(200) + "\r\n"),
                "431",
            );
        }
        12 => return assert_rejected(address, &format!("{noise}\r\n\r\n"), "400"),
        // Half a request head.
        _ => return drop(send(address, &get("/health"))),
    };
    let pipelined = request.matches(" HTTP/1.1\r\n").count();
    let statuses = exchange(address, &request);
    assert_eq!(statuses.len(), pipelined, "{statuses:?} to {request}");
    for status in statuses {
        sent.completed(route, status);
    }
}

fn noise_path(noise: &str) -> String {
    format!("/{noise}/{noise}")
}

fn assert_rejected(address: SocketAddr, request: &str, status: &str) {
    let statuses = exchange(address, request);
    let statuses: Vec<_> = statuses.iter().map(u16::to_string).collect();
    // If the server closes the connection with unread data, its response can be lost.
    assert!(statuses.is_empty() || statuses == [status], "{statuses:?} to {request}");
}

/// Sends the request and returns the statuses of all responses.
fn exchange(address: SocketAddr, request: &str) -> Vec<u16> {
    let mut stream = send(address, request);
    stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout can be set");
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
    let mut stream = TcpStream::connect(address).expect("the server accepts a connection");
    // The server may reject the request and close before all of it is written.
    let _ = stream.write_all(request.as_bytes());
    stream
}

/// Random upper case letters, as in a method.
fn noise(rng: &mut Rng, length: usize) -> String {
    std::iter::repeat_with(|| rng.uppercase()).take(length).collect()
}

const ARTIFACT: Route = ["GET", "/api/v1/tasks/{id}/artifact"];
