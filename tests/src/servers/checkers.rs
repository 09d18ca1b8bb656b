//! Programs that check files: promtool and others.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The result of a check.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked {
    /// The exit code: 0 for no finding. promtool uses 1 for an error and 3 for lint.
    pub code: Option<i32>,
    /// The output of the program.
    pub printed: String,
}

impl Checked {
    /// Fails the test unless the exit code is 0.
    #[track_caller]
    pub fn accepted(&self) {
        assert_eq!(self.code, Some(0), "{}", self.printed);
    }

    /// Exit code 0 and no output.
    #[must_use]
    pub fn clean() -> Self {
        Self { code: Some(0), printed: String::new() }
    }
}

/// Runs a checking program in this directory.
#[must_use]
pub fn check(program: &str, arguments: &[&str], directory: &Path) -> Checked {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {program}, see tests/README.md: {error}"));
    let printed = [output.stdout, output.stderr].concat();
    Checked { code: output.status.code(), printed: String::from_utf8_lossy(&printed).into_owned() }
}

/// Runs `promtool check metrics` with `exposition`.
#[must_use]
pub fn promtool_check_metrics(exposition: &[u8]) -> Checked {
    run(&["check", "metrics"], exposition)
}

/// Runs `promtool test rules` with one file of rule tests.
#[must_use]
pub fn promtool_test_rules(tests: &str) -> Checked {
    run(&["test", "rules", "/dev/stdin"], tests.as_bytes())
}

fn run(arguments: &[&str], input: &[u8]) -> Checked {
    let mut promtool = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed");
    let mut stdin = promtool.stdin.take().expect("stdin is piped");
    stdin.write_all(input).expect("promtool reads its input to the end");
    drop(stdin);
    let output = promtool.wait_with_output().expect("promtool ends");
    let printed = [output.stdout, output.stderr].concat();
    Checked { code: output.status.code(), printed: String::from_utf8_lossy(&printed).into_owned() }
}
