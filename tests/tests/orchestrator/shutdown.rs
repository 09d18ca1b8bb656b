//! The end of the orchestrator after SIGTERM.

use std::io::{Read, Write};
use std::net::TcpStream;

use asdlc_tests::example::Example;
use asdlc_tests::wait::{DEADLINE, eventually};

use super::traffic::Client;

#[test]
fn an_idle_server_ends_with_success_although_a_client_is_connected() {
    let orchestrator = Example::start("orchestrator");
    let mut connection = orchestrator.connect();
    assert_eq!(connection.get("/health").status(), 200);
    orchestrator.terminate();
    let finished = orchestrator.finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
}

#[test]
fn a_slow_request_gets_its_response_before_the_server_ends() {
    let orchestrator = Example::start("orchestrator");
    let id = Client::of(&orchestrator).submit("wait", "1000");
    let mut stream = TcpStream::connect(orchestrator.address()).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout can be set");
    // Both requests are in one segment, so the second has arrived when the first has its response.
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let both = request("/health") + &request(&format!("/api/v1/tasks/{id}/wait"));
    stream.write_all(both.as_bytes()).expect("the server reads");
    let mut first = [0; 1];
    stream.read_exact(&mut first).expect("the server responds");
    let mut client = Client::of(&orchestrator);
    for _ in 0..10 {
        client.get("/health", "/health", 200);
    }

    orchestrator.terminate();
    let refuses = eventually(DEADLINE, || TcpStream::connect(orchestrator.address()).is_err());
    assert!(refuses, "the server accepts new connections after SIGTERM");

    let mut responses = String::new();
    stream.read_to_string(&mut responses).expect("the server responds and closes");
    assert_eq!(responses.matches("200 OK").count(), 2, "{responses}");
    assert!(responses.contains("waited"), "{responses}");
    let finished = orchestrator.finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
}
