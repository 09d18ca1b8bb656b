//! `examples/stack`: the whole of it on one machine.

use std::collections::BTreeSet;
use std::env;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use asdlc_tests::client::Connection;
use asdlc_tests::example::without_variables;
use asdlc_tests::process::{Finished, Process};
use asdlc_tests::program::program;
use asdlc_tests::servers::{QueryApi, Redis, check, free_address};
use asdlc_tests::wait::{DEADLINE, eventually};
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
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

/// `examples/stack` on free ports, with everything temporary in a directory of its own.
struct Stack {
    command: Command,
    victoria_metrics: VictoriaMetrics,
    orchestrator: SocketAddr,
    /// Its `TMPDIR`.
    scratch: TempDir,
    /// First in its `PATH`.
    tools: TempDir,
}

impl Stack {
    /// With the programs that are built already: cargo may not be asked for more.
    fn of_built_programs() -> Self {
        let mut stack = Self::new();
        stack.command.env("PROGRAMS", built_programs());
        stack.cargo("echo 'a test must not compile within its deadline' >&2; exit 101");
        stack
    }

    /// As a newcomer starts it, who has set nothing. Cargo is replaced by this script: no test compiles within its deadline.
    fn building_with(cargo: &str) -> Self {
        let mut stack = Self::new();
        let target = stack.target();
        stack.command.env("PROFILE", "dev").env("CARGO_TARGET_DIR", target);
        stack.cargo(cargo);
        stack
    }

    fn new() -> Self {
        let directory = || TempDir::new().expect("a temporary directory can be made");
        let (scratch, tools) = (directory(), directory());
        let (victoria_metrics, orchestrator) = (free_address(), free_address());
        let mut command = without_variables(Command::new("env"));
        // F-35, a neighbour: a shell ignores SIGINT for what it starts in the background, and so do its children then.
        command.arg("--default-signal=INT").arg(repository("examples/stack"));
        for variable in ["PROGRAMS", "PROFILE", "CARGO_TARGET_DIR", "TRAFFIC"] {
            command.env_remove(variable);
        }
        command.env("TMPDIR", scratch.path());
        command.env("VICTORIAMETRICS_PORT", victoria_metrics.port().to_string());
        command.env("ORCHESTRATOR_PORT", orchestrator.port().to_string());
        for variable in ["WORKERS_PORT", "REDIS_PORT"] {
            command.env(variable, free_address().port().to_string());
        }
        let victoria_metrics = VictoriaMetrics(victoria_metrics);
        Self { command, victoria_metrics, orchestrator, scratch, tools }
    }

    /// Where [`building_with`](Self::building_with) has cargo put what it builds.
    fn target(&self) -> PathBuf {
        self.tools.path().join("target")
    }

    fn cargo(&mut self, script: &str) {
        let cargo = self.tools.path().join("cargo");
        fs::write(&cargo, format!("#!/bin/sh\n{script}\n")).expect("it is writable");
        fs::set_permissions(&cargo, Permissions::from_mode(0o755)).expect("it is ours");
        let path = env::var("PATH").expect("there are programs");
        self.command.env("PATH", format!("{}:{path}", self.tools.path().display()));
    }

    /// Runs it to its end.
    fn finish(self) -> Finished {
        let finished = Process::start(self.command).finish();
        let left = fs::read_dir(self.scratch.path()).expect("it is there").count();
        assert_eq!(left, 0, "it leaves files: {finished:?}");
        finished
    }

    /// Runs it to its end, which is a failure, and returns what it says.
    #[track_caller]
    fn failure(self) -> String {
        let finished = self.finish();
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        finished.stderr.join("\n")
    }
}

/// The directory with all that it starts.
fn built_programs() -> PathBuf {
    let directories = STARTED.map(|name| program(name).parent().map(Path::to_owned));
    let [Some(one), Some(other)] = directories else { panic!("a program is in a directory") };
    assert_eq!(one, other);
    one
}

// S-01, F-35
#[test]
fn one_command_brings_up_moving_metrics_and_ends_without_a_trace() {
    // As somebody starts it whose machine reaches others only through a proxy.
    let mut stack = Stack::of_built_programs();
    for variable in ["http_proxy", "ALL_PROXY"] {
        stack.command.env(variable, format!("http://{}", free_address()));
    }
    brings_up_moving_metrics_and_ends_without_a_trace(stack, Signal::INT);
}

// F-35, a neighbour: who has set nothing gets both programs built, and then started.
#[test]
fn without_built_programs_it_builds_them_first() {
    let stack = Stack::building_with(&format!(
        r#"[ "$*" = 'build --profile dev --package orchestrator --package workers' ] || exit 101
        mkdir -p "$CARGO_TARGET_DIR" && ln -s '{}' "$CARGO_TARGET_DIR/debug""#,
        built_programs().display()
    ));
    brings_up_moving_metrics_and_ends_without_a_trace(stack, Signal::TERM);
}

fn brings_up_moving_metrics_and_ends_without_a_trace(stack: Stack, signal: Signal) {
    let Stack { mut command, victoria_metrics, orchestrator, scratch, tools: _tools } = stack;
    // What it starts is in its group, also when it has lost sight of it.
    command.process_group(0);
    let stack = Process::start(command);
    let group = Group(Pid::from_raw(stack.id().cast_signed()).expect("an id"));
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

    kill_process(group.0, signal).expect("it can be signalled");
    let finished = stack.finish();
    assert_eq!(finished.status.code(), Some(128 + signal.as_raw()), "{:?}", finished.stderr);
    let nobody = eventually(DEADLINE, || test_kill_process_group(group.0).is_err());
    assert!(nobody, "something it started still runs");
    let left = fs::read_dir(scratch.path()).expect("it is there").count();
    assert_eq!(left, 0, "it leaves files");
}

/// A process group. Dropping it kills what is left of it, when a test has failed.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        // Fails when nothing is left.
        let _ = kill_process_group(self.0, Signal::KILL);
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
    let redis = Redis::start();
    let mut stack = Stack::of_built_programs();
    stack.command.env("REDIS_PORT", redis.address().port().to_string());
    let said = stack.failure();
    assert!(said.contains("choose another with REDIS_PORT="), "{said}");
}

#[test]
fn a_missing_tool_is_named_with_the_way_to_get_it() {
    let mut stack = Stack::new();
    // A machine that has a shell and its tools, and none of what is needed.
    for tool in ["env", "bash", "dirname"] {
        let found = check("sh", &["-c", &format!("command -v {tool}")], Path::new("/")).printed;
        symlink(found.trim(), stack.tools.path().join(tool)).expect("it is writable");
    }
    stack.command.env("PATH", stack.tools.path());
    let said = stack.failure();
    let all = "missing: victoria-metrics vmagent redis-server curl cargo.";
    assert!(said.contains(all) && said.contains("apt-get install"), "{said}");
}

// F-35, a neighbour: a program that was not built is named at once, and nothing is started.
#[test]
fn a_program_that_was_not_built_is_named_with_the_variable_that_says_where_it_is() {
    let mut stack = Stack::of_built_programs();
    let empty = stack.target();
    stack.command.env("PROGRAMS", &empty);
    let said = stack.failure();
    let expected = format!("PROGRAMS={} has no program orchestrator", empty.display());
    assert!(said.contains(&expected), "{said}");
}

// S-01
#[test]
fn a_program_that_ends_ends_the_stack_and_is_named_with_its_last_words() {
    let mut stack = Stack::of_built_programs();
    // Not a filter of any log: the program refuses to start.
    stack.command.env("RUST_LOG", "=no=such=filter=");
    let said = stack.failure();
    assert!(said.contains("orchestrator has ended") && said.contains("error: "), "{said}");
}
