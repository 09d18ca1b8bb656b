//! A real vmagent.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use super::Generation;
use crate::process::Process;

/// A vmagent that scrapes and writes to a `VictoriaMetrics`. Dropping it kills it.
#[derive(Debug)]
pub struct Vmagent {
    // Fields are dropped in this order: the process ends before its directory is removed.
    process: Process,
    _directory: TempDir,
}

impl Vmagent {
    /// Starts the one of Debian's stable release, with this content of its configuration file.
    #[must_use]
    pub fn start(config: &str, victoria_metrics: SocketAddr) -> Self {
        Self::start_of(Generation::Stable, config, victoria_metrics)
    }

    /// As [`start`](Self::start), of this generation.
    #[must_use]
    pub fn start_of(generation: Generation, config: &str, victoria_metrics: SocketAddr) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let path = directory.path().join("vmagent.yml");
        fs::write(&path, config).expect("the temporary directory is writable");
        let flag = |name: &str, value: &dyn std::fmt::Display| format!("-{name}={value}");
        let mut command = Command::new(generation.program("vmagent"));
        command.args([
            flag("promscrape.config", &path.display()),
            flag("remoteWrite.url", &format!("http://{victoria_metrics}/api/v1/write")),
            flag("remoteWrite.tmpDataPath", &directory.path().join("queue").display()),
            flag("remoteWrite.flushInterval", &"200ms"),
            // Any port: the tests send it no requests.
            flag("httpListenAddr", &"127.0.0.1:0"),
        ]);
        let process = Process::start(command);
        process
            .await_stderr(|line| line.contains("started vmagent").then_some(()))
            .unwrap_or_else(|error| panic!("vmagent does not start: {error}"));
        Self { process, _directory: directory }
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }
}
