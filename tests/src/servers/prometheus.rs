//! A real Prometheus.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{QueryApi, write_config};
use crate::process::Process;

/// A Prometheus that scrapes its targets every second. Dropping it kills it.
#[derive(Debug)]
pub struct Prometheus {
    // Fields are dropped in this order: the process ends before its directory is removed.
    _process: Process,
    _directory: TempDir,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts it with one target and waits until it is ready for queries.
    #[must_use]
    pub fn scraping(target: SocketAddr) -> Self {
        Self::scraping_paths(target, &["/metrics".to_owned()])
    }

    /// As [`scraping`](Self::scraping), with each path as a separate target with the label `path`.
    #[must_use]
    pub fn scraping_paths(target: SocketAddr, paths: &[String]) -> Self {
        Self::start(&[target], paths, &[])
    }

    /// As [`scraping`](Self::scraping), with these labels on the target.
    #[must_use]
    pub fn scraping_with_labels(target: SocketAddr, labels: &[(&str, &str)]) -> Self {
        Self::start(&[target], &["/metrics".to_owned()], labels)
    }

    /// As [`scraping`](Self::scraping), with several targets.
    #[must_use]
    pub fn scraping_all(targets: &[SocketAddr]) -> Self {
        Self::start(targets, &["/metrics".to_owned()], &[])
    }

    /// Starts it with a configuration of the test's own, and with other files beside it: their names and contents.
    #[must_use]
    pub fn configured(config: &str, files: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        for (name, content) in [("prometheus.yml", config)].iter().chain(files) {
            fs::write(directory.path().join(name), content).expect("the directory is writable");
        }
        let config = directory.path().join("prometheus.yml");
        Self::run(directory, &config)
    }

    fn start(targets: &[SocketAddr], paths: &[String], labels: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let config = write_config(directory.path(), targets, paths, labels);
        Self::run(directory, &config)
    }

    fn run(directory: TempDir, config: &Path) -> Self {
        let flag = |name: &str, value: &dyn std::fmt::Display| format!("--{name}={value}");
        let mut command = Command::new("prometheus");
        command.args([
            flag("config.file", &config.display()),
            flag("storage.tsdb.path", &directory.path().join("data").display()),
            flag("web.listen-address", &"127.0.0.1:0"),
            flag("web.console.templates", &"/nonexistent"),
            flag("web.console.libraries", &"/nonexistent"),
        ]);
        let process = Process::start(command);
        let address = process
            .await_stderr(|line| {
                line.split_once("msg=\"Listening on\" address=")?.1.trim().parse().ok()
            })
            .unwrap_or_else(|error| panic!("Prometheus does not listen: {error}"));
        process
            .await_stderr(|line| {
                line.contains("Server is ready to receive web requests").then_some(())
            })
            .unwrap_or_else(|error| panic!("Prometheus is not ready: {error}"));
        Self { _process: process, _directory: directory, address }
    }
}

impl QueryApi for Prometheus {
    fn address(&self) -> SocketAddr {
        self.address
    }
}
