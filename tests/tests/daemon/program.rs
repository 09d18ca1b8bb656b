//! A daemon that watches a program. The test decides when the program ends.

use std::fs;
use std::path::PathBuf;

use asdlc_tests::example::{Example, command};
use asdlc_tests::process::Finished;
use asdlc_tests::wait::{DEADLINE, eventually};
use serde_json::Value;
use tempfile::TempDir;

/// A running daemon. Fields are dropped in this order: a program that still runs ends when the directory is removed.
pub(crate) struct Watched {
    pub(crate) daemon: Example,
    files: Files,
}

impl Watched {
    /// Starts the daemon with these additional settings, and waits until it has started the program.
    pub(crate) fn start(configuration: &str) -> Self {
        let files = Files::new();
        files.allow_program();
        let daemon = files.daemon(configuration);
        // Waits for a log line instead of a request, because requests are counted.
        let begun = |line: &str| line.contains("now Monitoring").then_some(());
        daemon.process().await_stderr(begun).expect("the daemon starts the program");
        Self { daemon, files }
    }

    /// Ends the program. Programs that are started later end at once.
    pub(crate) fn end_program(&self) {
        fs::remove_file(self.files.may_run()).expect("it exists");
    }

    /// Lets programs run until [`end_program`](Self::end_program).
    pub(crate) fn allow_program(&self) {
        self.files.allow_program();
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.send("GET", path)
    }

    pub(crate) fn post(&self, path: &str) -> Value {
        self.send("POST", path)
    }

    fn send(&self, method: &str, path: &str) -> Value {
        let response = self.daemon.connect().request(method, path);
        assert_eq!(response.status(), 200, "{method} {path}");
        serde_json::from_slice(response.body()).expect("the API responds with JSON")
    }

    pub(crate) fn status(&self) -> Value {
        self.get("/api/v1/status")
    }

    /// Waits until the status has this value at `key`.
    #[track_caller]
    pub(crate) fn await_status(&self, key: &str, value: &Value) {
        let mut last = Value::Null;
        let reached = eventually(DEADLINE, || {
            last = self.status();
            last[key] == *value
        });
        assert!(reached, "{key} is not {value}: {last}");
    }

    /// Waits until the daemon has ended.
    pub(crate) fn finish(self) -> Finished {
        self.daemon.finish()
    }

    /// The value of the gauge.
    pub(crate) fn state_metric(&self) -> f64 {
        let scrape = self.daemon.scrape_at(METRICS);
        scrape.value("palingenesis_daemon_state", &[]).expect("it exists")
    }
}

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory can be made"))
    }

    fn may_run(&self) -> PathBuf {
        self.0.path().join("may-run")
    }

    fn allow_program(&self) {
        fs::write(self.may_run(), "").expect("the directory is writable");
    }

    fn daemon(&self, configuration: &str) -> Example {
        let script = format!("while [ -e '{}' ]; do sleep 0.02; done", self.may_run().display());
        let path = self.0.path().join("daemon.toml");
        let program = format!("program.command = [\"sh\", \"-c\", {script:?}]\n");
        fs::write(&path, program + configuration).expect("the directory is writable");
        let mut command = command("daemon");
        command.env("LISTEN_ADDR", "127.0.0.1:0").arg("--config").arg(path);
        Example::spawn(command)
    }
}

pub(crate) const METRICS: &str = "/api/v1/metrics";
