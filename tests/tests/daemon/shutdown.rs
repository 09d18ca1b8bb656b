//! SIGTERM.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use asdlc_tests::wait::{DEADLINE, eventually};

use super::program::Watched;

#[test]
fn the_daemon_ends_with_success_within_5_s_and_takes_the_program_with_it() {
    let watched = Watched::start("");
    let program = watched.status()["pid"].as_u64().expect("it runs");
    // In flight, for longer than the daemon has: nobody pauses it.
    let mut waits = TcpStream::connect(watched.daemon.address()).expect("it listens");
    waits.set_read_timeout(Some(DEADLINE)).expect("a deadline can be set");
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    // In one segment: when the first is answered, the second has been received.
    let both = request("/api/v1/status") + &request("/api/v1/status/paused");
    waits.write_all(both.as_bytes()).expect("it reads");
    let mut first = [0; 1];
    waits.read_exact(&mut first).expect("it answers");
    watched.status();

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
fn a_request_in_progress_is_answered_before_the_daemon_ends() {
    let watched = Watched::start("program.settled_after = 1");
    watched.post("/api/v1/pause");
    watched.post("/api/v1/resume");
    let mut waits = TcpStream::connect(watched.daemon.address()).expect("it listens");
    waits.set_read_timeout(Some(DEADLINE)).expect("a deadline can be set");
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let both = request("/api/v1/status") + &request("/api/v1/status/monitoring");
    waits.write_all(both.as_bytes()).expect("it reads");
    let mut first = [0; 1];
    waits.read_exact(&mut first).expect("it answers");
    watched.status();
    watched.daemon.terminate();
    let refuses = eventually(DEADLINE, || TcpStream::connect(watched.daemon.address()).is_err());
    assert!(refuses, "it takes new connections after SIGTERM");
    let mut answers = String::new();
    waits.read_to_string(&mut answers).expect("it answers and closes");
    assert!(answers.contains(r#""state":"monitoring""#), "{answers}");
    assert_eq!(watched.finish().status.code(), Some(0));
}

/// Runs, and is no zombie either.
fn alive(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
