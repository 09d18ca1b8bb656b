//! Clients that read their responses, and clients that disconnect.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use asdlc_tests::client::Connection;
use fastrand::Rng;

use crate::clock::Clock;
use crate::ledger::{Ledger, Route};

/// Submits tasks. One of fifty fails and one of fifty takes longer.
pub(crate) fn submit(address: SocketAddr, clock: &Clock, mut rng: Rng) -> Ledger {
    let (mut connection, mut sent) = (Connection::open(address), Ledger::default());
    while clock.is_running() {
        let (kind, input) = match rng.u8(..50) {
            0 => ("fail", "deliberately"),
            1 => ("wait", "100"),
            _ => ("word_count", "to be or not to be"),
        };
        post(&mut connection, kind, input, &mut sent);
        thread::sleep(Duration::from_millis(rng.u64(5..15)));
    }
    sent
}

/// Requests what depends on Redis and `VictoriaMetrics`, whether they are up or not.
pub(crate) fn request(address: SocketAddr, clock: &Clock, mut rng: Rng) -> Ledger {
    let (mut connection, mut sent) = (Connection::open(address), Ledger::default());
    let requests = [
        ("/api/metrics/query_range?query=up&start=1700000000&end=1700003600&step=60", QUERY),
        ("/api/metrics/services", QUERY),
        ("/api/metrics/health", QUERY),
        ("/api/metrics/no_such_query", QUERY),
        ("/api/v1/tasks", ["GET", "/api/v1/tasks"]),
        ("/ready", ["GET", "/ready"]),
        ("/", ["GET", "/"]),
    ];
    while clock.is_running() {
        let (path, route) = requests[rng.usize(..requests.len())];
        sent.completed(route, connection.get(path).status().as_u16());
        thread::sleep(Duration::from_millis(rng.u64(10..50)));
    }
    sent
}

/// Disconnects while it waits for a long task, or in the middle of a body.
pub(crate) fn disconnect(address: SocketAddr, clock: &Clock, mut rng: Rng) -> Ledger {
    let (mut connection, mut sent) = (Connection::open(address), Ledger::default());
    while clock.is_running() {
        let task = post(&mut connection, "wait", "1500", &mut sent).unwrap_or(1);
        for _ in 0..40 {
            let (request, route) = if rng.u8(..4) == 0 {
                let head = "POST /api/v1/tasks HTTP/1.1\r\ncontent-type: application/json";
                (format!("{head}\r\nhost: a\r\ncontent-length: 99\r\n\r\n{{\"kind\":"), SUBMIT)
            } else {
                (format!("GET /api/v1/tasks/{task}/wait HTTP/1.1\r\nhost: a\r\n\r\n"), WAIT)
            };
            let mut stream = TcpStream::connect(address).expect("the server accepts a connection");
            stream.write_all(request.as_bytes()).expect("the server reads the request");
            if rng.u8(..10) == 0 {
                // hyper may see the disconnect before it calls the service.
                sent.uncertain(route);
            } else {
                sent.abandoned(route);
                thread::sleep(Duration::from_millis(rng.u64(10..50)));
            }
        }
    }
    sent
}

/// The id of the task, if it was accepted.
fn post(connection: &mut Connection, kind: &str, input: &str, sent: &mut Ledger) -> Option<u64> {
    let body = format!(r#"{{"kind":"{kind}","input":"{input}"}}"#);
    let response = connection.post_json(SUBMIT[1], &body);
    sent.completed(SUBMIT, response.status().as_u16());
    serde_json::from_slice::<serde_json::Value>(response.body()).ok()?["id"].as_u64()
}

pub(crate) const SUBMIT: Route = ["POST", "/api/v1/tasks"];
pub(crate) const WAIT: Route = ["GET", "/api/v1/tasks/{id}/wait"];
pub(crate) const QUERY: Route = ["GET", "/api/metrics/{*query}"];
