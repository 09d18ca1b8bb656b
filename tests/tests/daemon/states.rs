//! The state machine in the API and in the gauge.

use serde_json::{Value, json};

use super::program::Watched;

// D-03
#[test]
fn the_gauge_follows_the_daemon_through_its_four_states() {
    // The times are so long that only orders change the state.
    let watched =
        Watched::start("program.settled_after = 600\n[backoff]\nfirst = 600\nlongest = 600");
    let at = |status: Value, state: &str, number: f64, starts: u64| {
        assert_eq!(
            (&status["state"], &status["starts"]),
            (&json!(state), &json!(starts)),
            "{status}"
        );
        assert_eq!(watched.state_metric(), number, "{state}");
    };
    at(watched.get("/api/v1/status/monitoring"), "monitoring", 1.0, 1);
    assert!(watched.status()["pid"].as_u64().is_some());

    at(watched.post("/api/v1/pause"), "paused", 2.0, 1);
    watched.end_program();
    watched.await_status("pid", &Value::Null);
    // A program that ends while the daemon is paused is not restarted.
    at(watched.status(), "paused", 2.0, 1);

    watched.allow_program();
    at(watched.post("/api/v1/resume"), "resuming", 4.0, 2);
    watched.end_program();
    at(watched.get("/api/v1/status/waiting"), "waiting", 3.0, 2);
    assert_eq!(watched.status()["last_end"], "exit status: 0");

    watched.allow_program();
    at(watched.post("/api/v1/resume"), "resuming", 4.0, 3);
}

// D-03
#[test]
fn a_program_that_ends_is_restarted() {
    let watched = Watched::start("program.settled_after = 0.05\nbackoff.first = 0.05");
    let first = watched.status()["pid"].clone();
    watched.end_program();
    watched.get("/api/v1/status/waiting");
    watched.allow_program();
    let again = watched.get("/api/v1/status/monitoring");
    assert!(again["pid"].is_u64() && again["pid"] != first, "{again} after {first}");
    assert_eq!(watched.state_metric(), 1.0);
}

#[test]
fn the_wait_before_a_restart_grows_while_the_program_does_not_settle() {
    let watched = Watched::start("[backoff]\nfirst = 0.01\nlongest = 0.05");
    watched.end_program();
    let mut waits = Vec::new();
    for expected in ["10ms", "20ms", "40ms", "50ms", "50ms"] {
        let next = waits.len();
        let wait = watched.daemon.process().await_stderr({
            let seen = std::cell::Cell::new(0);
            move |line| {
                let wait = line.split_once("waiting ")?.1.strip_suffix(" before the next start")?;
                seen.set(seen.get() + 1);
                (seen.get() > next).then(|| wait.to_owned())
            }
        });
        waits.push(wait.expect("it waits again"));
        assert_eq!(waits[next], expected);
    }
}

// D-03
#[test]
fn an_order_that_changes_nothing_returns_the_status() {
    let watched = Watched::start("");
    assert_eq!(watched.post("/api/v1/resume")["state"], "monitoring");
    for _ in 0..2 {
        assert_eq!(watched.post("/api/v1/pause")["state"], "paused");
    }
    assert_eq!(watched.status()["starts"], 1);
}
