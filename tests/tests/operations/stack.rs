//! `examples/stack`: the whole of it on one machine.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use asdlc_tests::client::Connection;
use asdlc_tests::process::Process;
use asdlc_tests::program::program;
use asdlc_tests::servers::{QueryApi, Redis, check, free_address};
use asdlc_tests::wait::{DEADLINE, eventually};
use serde_json::Value;
use tempfile::TempDir;

use super::files::repository;
/// What it starts.
const STARTED: [&str; 2] = ["orchestrator", "workers"];

struct VictoriaMetrics(SocketAddr);

impl QueryApi for VictoriaMetrics {
    fn address(&self) -> SocketAddr {
        self.0
    }
}

/// The command, with free ports and everything temporary in `directory`.
fn stack(directory: &Path) -> (Command, VictoriaMetrics) {
    let (command, victoria_metrics, _) = stack_and_orchestrator(directory);
    (command, victoria_metrics)
}

/// The same, with where the orchestrator will be.
fn stack_and_orchestrator(directory: &Path) -> (Command, VictoriaMetrics, SocketAddr) {
    let (victoria_metrics, orchestrator) = (free_address(), free_address());
    let mut command = Command::new(repository("examples/stack"));
    command.env("PROFILE", "dev").env("TMPDIR", directory);
    command.env("VICTORIAMETRICS_PORT", victoria_metrics.port().to_string());
    command.env("ORCHESTRATOR_PORT", orchestrator.port().to_string());
    for variable in ["WORKERS_PORT", "REDIS_PORT"] {
        command.env(variable, free_address().port().to_string());
    }
    (command, VictoriaMetrics(victoria_metrics), orchestrator)
}

// S-01
#[test]
fn one_command_brings_up_moving_metrics_and_ends_without_a_trace() {
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let (mut command, victoria_metrics, orchestrator) =
            stack_and_orchestrator(directory.path());
        // What it starts is in its group, also when it has lost sight of it.
        command.process_group(0);
        let stack = Process::start(command);
        let group = rustix::process::Pid::from_raw(stack.id().cast_signed()).expect("an id");
        stack
            .await_stdout(|line| line.contains("All of it is running").then_some(()))
            .unwrap_or_else(|error| panic!("the stack does not start: {error}"));

        for program in STARTED {
            let up = format!("up{{job=\"{program}\"}}");
            assert_eq!(victoria_metrics.query_until(&up, 1.0), Some(1.0), "{program}");
        }
        let moves = eventually(DEADLINE, || {
            let rate = "sum(increase(asdlc_http_requests_total{service=\"orchestrator\"}[1m])) > 0";
            victoria_metrics.query(rate).is_some()
        });
        assert!(moves, "no traffic is counted");
        // What the orchestrator takes as a task is an event to the workers.
        let works = eventually(DEADLINE, || {
            let done = "asdlc_events_processed_total{service=\"workers\",status=\"success\"} > 0";
            victoria_metrics.query(done).is_some()
        });
        assert!(works, "no event is processed");
        assert_eq!(through_the_proxy(orchestrator), BTreeSet::from(STARTED.map(str::to_owned)));

        rustix::process::kill_process(group, signal).expect("it can be signalled");
        let finished = stack.finish();
        assert_eq!(finished.status.code(), Some(128 + signal.as_raw()), "{:?}", finished.stderr);
        let nobody =
            eventually(DEADLINE, || rustix::process::test_kill_process_group(group).is_err());
        assert!(nobody, "something it started still runs");
        let left = std::fs::read_dir(directory.path()).expect("it is there").count();
        assert_eq!(left, 0, "it leaves files");
    }
}

/// The jobs that are up, as the orchestrator answers who asks it and not `VictoriaMetrics`.
fn through_the_proxy(orchestrator: SocketAddr) -> BTreeSet<String> {
    let answer = Connection::open(orchestrator).get("/api/metrics/query?query=up%20==%201");
    let answer: Value = serde_json::from_slice(answer.body()).expect("it answers in JSON");
    let result = answer["data"]["result"].as_array().expect("a vector");
    let jobs = result.iter().map(|series| series["metric"]["job"].as_str().expect("a job"));
    jobs.map(str::to_owned).collect()
}

#[test]
fn a_taken_port_is_named_with_the_variable_that_moves_it() {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let redis = Redis::start();
    let (mut command, _) = stack(directory.path());
    command.env("REDIS_PORT", redis.address().port().to_string());
    let finished = Process::start(command).finish();
    assert_eq!(finished.status.code(), Some(1));
    let said = finished.stderr.join("\n");
    assert!(said.contains("choose another with REDIS_PORT="), "{said}");
}

#[test]
fn a_missing_program_is_named_with_the_way_to_get_it() {
    // A machine that has a shell and its tools, and none of what is needed.
    let directory = TempDir::new().expect("a temporary directory can be made");
    for tool in ["bash", "dirname"] {
        let found = check("sh", &["-c", &format!("command -v {tool}")], Path::new("/")).printed;
        std::os::unix::fs::symlink(found.trim(), directory.path().join(tool))
            .expect("the temporary directory is writable");
    }
    let (mut command, _) = stack(directory.path());
    command.env("PATH", directory.path());
    let finished = Process::start(command).finish();
    assert_eq!(finished.status.code(), Some(1));
    let said = finished.stderr.join("\n");
    let all = "missing: victoria-metrics vmagent redis-server curl cargo.";
    assert!(said.contains(all) && said.contains("apt-get install"), "{said}");
}

// S-01
#[test]
fn a_program_that_ends_ends_the_stack_and_is_named_with_its_last_words() {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let (mut command, _) = stack(directory.path());
    // Not a filter of any log: the program refuses to start.
    command.env("RUST_LOG", "=no=such=filter=");
    let name = program(STARTED[0]);
    let finished = Process::start(command).finish();
    assert_eq!(finished.status.code(), Some(1), "{}", name.display());
    let said = finished.stderr.join("\n");
    assert!(said.contains("orchestrator has ended") && said.contains("error: "), "{said}");
    let left = std::fs::read_dir(directory.path()).expect("it is there").count();
    assert_eq!(left, 0, "it leaves files");
}
