//! The state machine, as the API and the gauge tell it.

use serde_json::{Value, json};

use super::program::Watched;

// D-03
#[test]
fn the_daemon_moves_through_its_four_states_and_the_gauge_with_it() {
    // So long that only the orders move it.
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
    // What ends meanwhile stays ended.
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
fn a_program_that_ends_is_running_again_without_being_asked() {
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
fn a_program_that_does_not_settle_is_started_less_and_less_often() {
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
fn orders_that_change_nothing_are_answered_with_the_status() {
    let watched = Watched::start("");
    assert_eq!(watched.post("/api/v1/resume")["state"], "monitoring");
    for _ in 0..2 {
        assert_eq!(watched.post("/api/v1/pause")["state"], "paused");
    }
    assert_eq!(watched.status()["starts"], 1);
}
