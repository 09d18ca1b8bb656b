//! An HTTP store that fails in all ways: the answers of the orchestrator, and what the client layer counts.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::thread;

use asdlc_tests::servers::free_address;
use asdlc_tests::wait::{DEADLINE, eventually};

use super::super::traffic::{Client, TASKS};
use super::store::{Mode, Store, start_breaking, start_resetting};
use super::{LARGEST, Orchestrator};

const REQUESTS: &str = "asdlc_http_client_requests_total";
const FAILED: &str = "asdlc_http_client_requests_failed_total";

type Counts<const N: usize> = BTreeMap<[String; N], f64>;

impl Orchestrator {
    /// The requests to the store, by method and status.
    fn sent(&self) -> Counts<2> {
        self.example.scrape().sum_by(REQUESTS, ["method", "status"])
    }

    /// The failed requests to the store, by method, status and error type.
    fn failed(&self) -> Counts<3> {
        self.example.scrape().sum_by(FAILED, ["method", "status", "error_type"])
    }

    fn in_flight(&self) -> f64 {
        self.example.scrape().sum("asdlc_http_client_requests_in_flight")
    }
}

fn counts<const N: usize>(rows: &[([&str; N], f64)]) -> Counts<N> {
    rows.iter().map(|(labels, count)| (labels.map(str::to_owned), *count)).collect()
}

/// What was added to `before`.
fn added<const N: usize>(before: &Counts<N>, mut after: Counts<N>) -> Counts<N> {
    for (labels, count) in &mut after {
        *count -= before.get(labels).unwrap_or(&0.0);
    }
    after.retain(|_, count| *count != 0.0);
    after
}

//
#[test]
fn each_request_to_the_store_is_counted_as_the_store_saw_it() {
    const CLIENTS: u32 = 8;
    const ROUNDS: u32 = 25;
    let store = Store::start();
    let orchestrator = Orchestrator::with_store(&store.url());
    let drive = || {
        let mut client = Client::of(&orchestrator.example);
        for _ in 0..ROUNDS {
            let path = format!("{TASKS}/{}/artifact", client.submit("word_count", ""));
            client.get(&path, ARTIFACT, 404);
            client.send("PUT", &path, ARTIFACT, 204);
            client.get(&path, ARTIFACT, 200);
        }
    };
    thread::scope(|scope| (0..CLIENTS).for_each(|_| drop(scope.spawn(drive))));

    let each = f64::from(CLIENTS * ROUNDS);
    let expected =
        counts(&[(["GET", "200"], each), (["GET", "404"], each), (["PUT", "201"], each)]);
    assert_eq!(store.seen(), expected);
    assert_eq!(orchestrator.sent(), expected);
    let not_found = counts(&[(["GET", "404", "client_error"], each)]);
    assert_eq!(orchestrator.failed(), not_found);
    assert_eq!(orchestrator.in_flight(), 0.0);

    let scrape = orchestrator.example.scrape();
    let duration = "asdlc_http_client_request_duration_seconds_count";
    let by_method = counts(&[(["GET"], 2.0 * each), (["PUT"], each)]);
    assert_eq!(scrape.sum_by(duration, ["method"]), by_method);
    let host = store.address().to_string();
    for family in [REQUESTS, FAILED, duration] {
        assert!(scrape.samples(family).all(|sample| sample.label("host") == Some(&host)));
    }
}

//
#[test]
fn a_store_that_fails_is_a_clear_error_and_one_that_works_again_is_used() {
    let store = Store::start();
    let mut orchestrator = Orchestrator::with_store(&store.url());
    orchestrator.assert_stores_and_returns("before");
    let late = "the artifact store did not respond in time";
    // The mode, the status and the error of the answer, and the statuses and the error type of the two requests to the store.
    for (mode, status, error, seen, error_type) in [
        (
            Mode::Status(500),
            502,
            "the artifact store responded with 500 Internal Server Error",
            ["500", "500"],
            Some("server_error"),
        ),
        (
            Mode::Status(302),
            502,
            "the artifact store responded with 302 Found",
            ["302", "302"],
            None,
        ),
        (Mode::Silent, 504, late, ["_NONE", "_NONE"], Some("timeout")),
        (Mode::Stalls, 504, late, ["201", "200"], Some("aborted")),
    ] {
        let before = orchestrator.failed();
        store.set(mode);
        orchestrator.assert_fails(status, error);
        let failed = error_type.map(|error_type| {
            [(["PUT", seen[0], error_type], 1.0), (["GET", seen[1], error_type], 1.0)]
        });
        let failed = counts(failed.as_ref().map_or(&[], |rows| rows));
        assert_eq!(added(&before, orchestrator.failed()), failed, "{mode:?}");

        store.set(Mode::Works);
        orchestrator.assert_stores_and_returns(format!("after {mode:?}"));
        assert_eq!(orchestrator.sent(), store.seen(), "{mode:?}");
    }
    assert_eq!(orchestrator.in_flight(), 0.0);

    let before = orchestrator.failed();
    drop(store);
    orchestrator.assert_fails(503, DOWN);
    assert_eq!(added(&before, orchestrator.failed()).values().sum::<f64>(), 2.0);
    assert_eq!(orchestrator.connection.get(TASKS).status(), 200);
}

//
#[test]
fn a_store_that_is_not_there_or_closes_connections_is_a_clear_error() {
    for (address, status, error_type) in [
        (free_address(), "_NONE", "connect_error"),
        (start_resetting(), "_NONE", "reset"),
        (start_breaking(), "200", "reset"),
    ] {
        let mut orchestrator = Orchestrator::with_store(&format!("http://{address}"));
        orchestrator.assert_fails(503, DOWN);
        let failed = [(["PUT", status, error_type], 1.0), (["GET", status, error_type], 1.0)];
        assert_eq!(orchestrator.failed(), counts(&failed));
        assert_eq!(orchestrator.sent().values().sum::<f64>(), 2.0);
    }
}

//
#[test]
fn an_artifact_of_the_store_that_is_too_large_is_not_returned() {
    let store = Store::start();
    let mut orchestrator = Orchestrator::with_store(&store.url());
    orchestrator.assert_stores_and_returns("small");
    store.replace_all(vec![b'x'; LARGEST + 1]);
    assert_eq!(orchestrator.get().status(), 503);
    // The length in the head is enough to refuse it, so the body is not read.
    assert_eq!(orchestrator.failed(), counts(&[]));
    assert_eq!(orchestrator.sent(), store.seen());
    orchestrator.assert_stores_and_returns("small");
}

//
#[test]
fn a_request_whose_client_leaves_is_cancelled_at_the_store() {
    let store = Store::start();
    store.set(Mode::Silent);
    let orchestrator = Orchestrator::with_store(&store.url());
    let mut leaving = TcpStream::connect(orchestrator.example.address()).expect("it listens");
    write!(leaving, "GET {} HTTP/1.1\r\nHost: test\r\n\r\n", orchestrator.path())
        .expect("the server reads");
    assert!(eventually(DEADLINE, || !store.seen().is_empty()));
    assert_eq!(orchestrator.in_flight(), 1.0);
    drop(leaving);
    assert!(eventually(DEADLINE, || orchestrator.in_flight() == 0.0));
    assert_eq!(orchestrator.failed(), counts(&[(["GET", "_NONE", "cancelled"], 1.0)]));
}

const DOWN: &str = "the artifact store cannot be used";
const ARTIFACT: &str = "/api/v1/tasks/{id}/artifact";
