//! The end of the daemon after SIGTERM.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use asdlc_tests::wait::{DEADLINE, eventually};

use super::program::Watched;

#[test]
fn the_daemon_ends_with_success_within_5_s_and_ends_its_program() {
    let watched = Watched::start("");
    let program = watched.status()["pid"].as_u64().expect("the process is running");
    // A request that never completes, because nobody pauses the daemon.
    let _waits = send_arrived(&watched, "/api/v1/status/paused");

    let start = Instant::now();
    watched.daemon.terminate();
    let Watched { daemon, .. } = &watched;
    let ended = eventually(DEADLINE, || !alive(daemon.id()));
    assert!(ended && start.elapsed() < Duration::from_secs(5), "after {:?}", start.elapsed());
    let finished = watched.finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let program = u32::try_from(program).expect("an id");
    assert!(eventually(DEADLINE, || !alive(program)), "the program outlives the daemon");
}

#[test]
fn a_request_in_progress_gets_its_response_before_the_daemon_ends() {
    let watched = Watched::start("program.settled_after = 1");
    watched.post("/api/v1/pause");
    watched.post("/api/v1/resume");
    let mut waits = send_arrived(&watched, "/api/v1/status/monitoring");
    watched.daemon.terminate();
    let refuses = eventually(DEADLINE, || TcpStream::connect(watched.daemon.address()).is_err());
    assert!(refuses, "the daemon accepts new connections after SIGTERM");
    let mut responses = String::new();
    waits.read_to_string(&mut responses).expect("the daemon responds and closes");
    assert!(responses.contains(r#""state":"monitoring""#), "{responses}");
    assert_eq!(watched.finish().status.code(), Some(0));
}

/// Sends a GET request and returns when the daemon has received it. The request is in one segment with another one, so it has arrived
/// when the other one has its response.
fn send_arrived(watched: &Watched, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(watched.daemon.address()).expect("the daemon listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout can be set");
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let both = request("/api/v1/status") + &request(path);
    stream.write_all(both.as_bytes()).expect("the daemon reads");
    let mut first = [0; 1];
    stream.read_exact(&mut first).expect("the daemon responds");
    watched.status();
    stream
}

/// Whether the process is running and not a zombie.
fn alive(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
