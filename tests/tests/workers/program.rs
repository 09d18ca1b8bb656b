//! The start and the end of the program.

use std::net::TcpListener;

use asdlc_tests::example::assert_help_lists;
use asdlc_tests::process::Process;
use asdlc_tests::servers::Redis;
use asdlc_tests::wait::{DEADLINE, eventually};

use super::pool::{add, alone, connect, post, stats, stream_numbers, worker_of, workers};

#[test]
fn help_lists_every_variable() {
    let variables =
        ["LISTEN_ADDR", "SERVICE_NAME", "ENVIRONMENT", "RUST_LOG", "REDIS_URL", "WORKERS"];
    assert_help_lists("workers", &variables);
}

#[test]
fn an_invalid_setting_is_an_error_of_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let taken = taken.local_addr().expect("a listener has an address").to_string();
    for (variable, value) in [
        ("LISTEN_ADDR", taken.as_str()),
        ("WORKERS", "0"),
        ("WORKERS", "many"),
        ("ABANDONED_AFTER", "0"),
        ("REDIS_URL", "http://127.0.0.1:6379"),
    ] {
        let mut command = workers();
        command.env("LISTEN_ADDR", "127.0.0.1:0").env(variable, value);
        let finished = Process::start(command).finish();
        assert_ne!(finished.status.code(), Some(0), "{variable}={value}");
        let errors: Vec<_> =
            finished.stderr.iter().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{variable}={value}: {finished:?}");
        assert_eq!(finished.stdout, [""; 0]);
    }
}

#[test]
fn running_and_waiting_events_are_processed_before_the_end() {
    let worker = alone();
    for _ in 0..8 {
        post(&worker, "wait", "500");
    }
    worker.terminate();
    let finished = worker.finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    assert!(finished.stderr.iter().all(|line| !line.contains("in progress")), "{finished:?}");
}

#[test]
fn an_event_in_progress_is_acknowledged_before_the_end() {
    let redis = Redis::start();
    let mut connection = connect(&redis);
    let worker = worker_of(&redis);
    add(&mut connection, "wait", "1000");
    assert!(eventually(DEADLINE, || stats(&worker)["active_workers"] == 1));
    worker.terminate();
    let finished = worker.finish();
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let numbers = stream_numbers(&mut connection);
    assert_eq!((numbers.added, numbers.length, numbers.pending), (1, 0, 0));
}
