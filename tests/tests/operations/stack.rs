//! `examples/stack`: the whole of it on one machine.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use asdlc_tests::process::Process;
use asdlc_tests::program::program;
use asdlc_tests::servers::{QueryApi, Redis, check, free_address};
use asdlc_tests::wait::{DEADLINE, eventually};
use tempfile::TempDir;

use super::files::repository;
use super::programs::PROGRAMS;

/// What it can start, of what is here.
fn programs() -> Vec<&'static str> {
    let here = PROGRAMS.iter().map(|program| program.package);
    here.filter(|package| ["orchestrator", "workers"].contains(package)).collect()
}

struct VictoriaMetrics(SocketAddr);

impl QueryApi for VictoriaMetrics {
    fn address(&self) -> SocketAddr {
        self.0
    }
}

/// The command, with free ports and everything temporary in `directory`.
fn stack(directory: &Path) -> (Command, VictoriaMetrics) {
    let victoria_metrics = free_address();
    let mut command = Command::new(repository("examples/stack"));
    command.args(programs()).env("PROFILE", "dev").env("TMPDIR", directory);
    command.env("VICTORIAMETRICS_PORT", victoria_metrics.port().to_string());
    for variable in ["ORCHESTRATOR_PORT", "WORKERS_PORT", "REDIS_PORT"] {
        command.env(variable, free_address().port().to_string());
    }
    (command, VictoriaMetrics(victoria_metrics))
}

// S-01
#[test]
fn one_command_brings_up_moving_metrics_and_ends_without_a_trace() {
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let (mut command, victoria_metrics) = stack(directory.path());
        // What it starts is in its group, also when it has lost sight of it.
        command.process_group(0);
        let stack = Process::start(command);
        let group = rustix::process::Pid::from_raw(stack.id().cast_signed()).expect("an id");
        stack
            .await_stdout(|line| line.contains("All of it is running").then_some(()))
            .unwrap_or_else(|error| panic!("the stack does not start: {error}"));

        for program in programs() {
            let up = format!("up{{job=\"{program}\"}}");
            assert_eq!(victoria_metrics.query_until(&up, 1.0), Some(1.0), "{program}");
        }
        let moves = eventually(DEADLINE, || {
            let rate = "sum(increase(asdlc_http_requests_total{service=\"orchestrator\"}[1m])) > 0";
            victoria_metrics.query(rate).is_some()
        });
        assert!(moves, "no traffic is counted");

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
    let name = program(programs()[0]);
    let finished = Process::start(command).finish();
    assert_eq!(finished.status.code(), Some(1), "{}", name.display());
    let said = finished.stderr.join("\n");
    assert!(said.contains("orchestrator has ended") && said.contains("error: "), "{said}");
    let left = std::fs::read_dir(directory.path()).expect("it is there").count();
    assert_eq!(left, 0, "it leaves files");
}
