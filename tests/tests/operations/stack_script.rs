//! `examples/stack`: everything on one machine.

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

/// The programs that the script starts.
const STARTED: [&str; 2] = ["orchestrator", "workers"];

struct VictoriaMetrics(SocketAddr);

impl QueryApi for VictoriaMetrics {
    fn address(&self) -> SocketAddr {
        self.0
    }
}

/// `examples/stack` on free ports, with a temporary directory for all its files.
struct Stack {
    command: Command,
    victoria_metrics: VictoriaMetrics,
    orchestrator: SocketAddr,
    /// Its `TMPDIR`.
    scratch: TempDir,
    /// The first directory of its `PATH`.
    tools: TempDir,
}

impl Stack {
    /// With programs that are already built. Calling cargo fails.
    fn of_built_programs() -> Self {
        let mut stack = Self::new();
        stack.command.env("PROGRAMS", built_programs());
        stack.cargo("echo 'a test must not compile within its deadline' >&2; exit 101");
        stack
    }

    /// Without any setting. A script replaces cargo, because no test may compile within its deadline.
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
        // F-35, a neighbour: a background process of a shell ignores SIGINT, and its children inherit that.
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

    /// The target directory for [`building_with`](Self::building_with).
    fn target(&self) -> PathBuf {
        self.tools.path().join("target")
    }

    fn cargo(&mut self, script: &str) {
        let cargo = self.tools.path().join("cargo");
        fs::write(&cargo, format!("#!/bin/sh\n{script}\n")).expect("the directory is writable");
        fs::set_permissions(&cargo, Permissions::from_mode(0o755)).expect("the file is ours");
        let path = env::var("PATH").expect("PATH is set");
        self.command.env("PATH", format!("{}:{path}", self.tools.path().display()));
    }

    /// Runs it until it ends, and checks that it leaves no files.
    fn finish(self) -> Finished {
        let finished = Process::start(self.command).finish();
        let left = fs::read_dir(self.scratch.path()).expect("the directory exists").count();
        assert_eq!(left, 0, "the script leaves files: {finished:?}");
        finished
    }

    /// Runs it until it fails, and returns its standard error.
    #[track_caller]
    fn failure(self) -> String {
        let finished = self.finish();
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        finished.stderr.join("\n")
    }
}

/// The directory of the built programs.
fn built_programs() -> PathBuf {
    let directories = STARTED.map(|name| program(name).parent().map(Path::to_owned));
    let [Some(one), Some(other)] = directories else { panic!("a program has a directory") };
    assert_eq!(one, other);
    one
}

// S-01, F-35
#[test]
fn one_command_starts_everything_and_leaves_nothing_behind() {
    // The user's machine reaches other machines only through an HTTP proxy.
    let mut stack = Stack::of_built_programs();
    for variable in ["http_proxy", "ALL_PROXY"] {
        stack.command.env(variable, format!("http://{}", free_address()));
    }
    assert_starts_everything_and_leaves_nothing_behind(stack, Signal::INT);
}

// F-35, a neighbour: without any setting, both programs are built and then started.
#[test]
fn without_built_programs_the_script_builds_them_first() {
    let stack = Stack::building_with(&format!(
        r#"[ "$*" = 'build --profile dev --package orchestrator --package workers' ] || exit 101
        mkdir -p "$CARGO_TARGET_DIR" && ln -s '{}' "$CARGO_TARGET_DIR/debug""#,
        built_programs().display()
    ));
    assert_starts_everything_and_leaves_nothing_behind(stack, Signal::TERM);
}

fn assert_starts_everything_and_leaves_nothing_behind(stack: Stack, signal: Signal) {
    let Stack { mut command, victoria_metrics, orchestrator, scratch, tools: _tools } = stack;
    // All its children are in this group, including those that the script no longer knows.
    command.process_group(0);
    let stack = Process::start(command);
    let group = Group(Pid::from_raw(stack.id().cast_signed()).expect("an id"));
    stack
        .await_stdout(|line| line.contains("Everything is running").then_some(()))
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
    // The workers process the tasks of the orchestrator as events.
    let works = eventually(DEADLINE, || {
        let done = "asdlc_events_processed_total{service=\"workers\",status=\"success\"} > 0";
        victoria_metrics.query(done).is_some()
    });
    assert!(works, "no event is processed");
    assert_eq!(through_the_proxy(orchestrator), BTreeSet::from(STARTED.map(str::to_owned)));

    kill_process(group.0, signal).expect("the script can be signalled");
    let finished = stack.finish();
    assert_eq!(finished.status.code(), Some(128 + signal.as_raw()), "{:?}", finished.stderr);
    let nobody = eventually(DEADLINE, || test_kill_process_group(group.0).is_err());
    assert!(nobody, "a process that the script started is still running");
    let left = fs::read_dir(scratch.path()).expect("the directory exists").count();
    assert_eq!(left, 0, "the script leaves files");
}

/// A process group. Dropping it kills its processes, for when a test has failed.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        // This fails if no process is left.
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

/// The jobs that are up, according to the query proxy of the orchestrator.
fn through_the_proxy(orchestrator: SocketAddr) -> BTreeSet<String> {
    let response = Connection::open(orchestrator).get("/api/metrics/query?query=up%20==%201");
    let body: Value =
        serde_json::from_slice(response.body()).expect("the proxy responds with JSON");
    let result = body["data"]["result"].as_array().expect("a vector");
    let jobs = result.iter().map(|series| series["metric"]["job"].as_str().expect("a job"));
    jobs.map(str::to_owned).collect()
}

#[test]
fn the_error_for_a_taken_port_names_the_variable_that_changes_it() {
    let redis = Redis::start();
    let mut stack = Stack::of_built_programs();
    stack.command.env("REDIS_PORT", redis.address().port().to_string());
    let said = stack.failure();
    assert!(said.contains("choose another with REDIS_PORT="), "{said}");
}

#[test]
fn the_error_for_a_missing_tool_says_how_to_install_it() {
    let mut stack = Stack::new();
    // A machine with a shell and its tools, but without the programs that the script needs.
    for tool in ["env", "bash", "dirname"] {
        let found = check("sh", &["-c", &format!("command -v {tool}")], Path::new("/")).printed;
        symlink(found.trim(), stack.tools.path().join(tool)).expect("the directory is writable");
    }
    stack.command.env("PATH", stack.tools.path());
    let said = stack.failure();
    let all = "missing: victoria-metrics vmagent redis-server curl cargo.";
    assert!(said.contains(all) && said.contains("apt-get install"), "{said}");
}

// F-35, a neighbour: a missing program is an error before anything is started.
#[test]
fn the_error_for_a_missing_program_names_it_and_the_variable_with_its_directory() {
    let mut stack = Stack::of_built_programs();
    let empty = stack.target();
    stack.command.env("PROGRAMS", &empty);
    let said = stack.failure();
    let expected = format!("PROGRAMS={} has no program orchestrator", empty.display());
    assert!(said.contains(&expected), "{said}");
}

// S-01
#[test]
fn a_program_that_ends_stops_the_stack_and_its_last_log_lines_are_shown() {
    let mut stack = Stack::of_built_programs();
    // The program rejects this log filter and does not start.
    stack.command.env("RUST_LOG", "=no=such=filter=");
    let said = stack.failure();
    assert!(said.contains("orchestrator has ended") && said.contains("error: "), "{said}");
}
