//! A real `VictoriaMetrics`, single node.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use http::StatusCode;
use tempfile::TempDir;

use super::{QueryApi, free_address, write_config};
use crate::client::Connection;
use crate::process::Process;
use crate::wait::{DEADLINE, eventually};

/// A `VictoriaMetrics` on a free loopback port. Dropping it kills it.
#[derive(Debug)]
pub struct VictoriaMetrics {
    // Fields are dropped in this order: the process ends before its directory is removed.
    process: Process,
    directory: TempDir,
    address: SocketAddr,
    options: Vec<String>,
}

impl VictoriaMetrics {
    /// Starts it with one target, which it scrapes every second, and waits until queries can find the first scrape.
    #[must_use]
    pub fn scraping(target: SocketAddr) -> Self {
        Self::scraping_paths(target, &["/metrics".to_owned()])
    }

    /// As [`scraping`](Self::scraping), with each path as a separate target with the label `path`.
    #[must_use]
    pub fn scraping_paths(target: SocketAddr, paths: &[String]) -> Self {
        Self::scraping_paths_with(target, paths, &[])
    }

    /// As [`scraping_paths`](Self::scraping_paths), for series with more than 30 labels: by default, it drops the others.
    #[must_use]
    pub fn scraping_many_labels(target: SocketAddr, paths: &[String]) -> Self {
        Self::scraping_paths_with(target, paths, &["-maxLabelsPerTimeseries=200"])
    }

    fn scraping_paths_with(target: SocketAddr, paths: &[String], options: &[&str]) -> Self {
        let this = Self::start(Some((target, paths)), options);
        // A query for series that are not indexed yet has an empty result, which is cached for ten seconds.
        this.targets(paths.len());
        this.flush();
        this
    }

    /// Starts it without a target, for programs that write to it.
    #[must_use]
    pub fn empty() -> Self {
        Self::start(None, &[])
    }

    /// Starts it with a target and more command line options, and waits until it listens.
    #[must_use]
    pub fn start_with(target: SocketAddr, options: &[&str]) -> Self {
        Self::start(Some((target, &["/metrics".to_owned()])), options)
    }

    /// The URL of the server, `http://…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process, to freeze and thaw it.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Makes everything that was written so far visible to queries.
    pub fn flush(&self) {
        let flushed = Connection::open(self.address).get("/internal/force_flush");
        assert_eq!(flushed.status(), StatusCode::OK, "{:?}", flushed.body());
    }

    /// Sends SIGKILL and waits until it has ended.
    pub fn kill(&mut self) {
        self.process.kill();
        let died = eventually(DEADLINE, || !self.process.is_running());
        assert!(died, "VictoriaMetrics does not end");
    }

    /// Restarts a killed server on the same port with the same data.
    pub fn start_again(&mut self) {
        self.process = spawn(&self.directory, self.address, &self.options);
    }

    fn start(target: Option<(SocketAddr, &[String])>, options: &[&str]) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let mut options: Vec<_> = options.iter().copied().map(str::to_owned).collect();
        if let Some((target, paths)) = target {
            let config = write_config(directory.path(), &[target], paths, &[]);
            options.push(format!("-promscrape.config={}", config.display()));
        }
        let address = free_address();
        let process = spawn(&directory, address, &options);
        Self { process, directory, address, options }
    }
}

impl QueryApi for VictoriaMetrics {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Starts the server and waits until it accepts connections.
fn spawn(directory: &TempDir, address: SocketAddr, options: &[String]) -> Process {
    let flag = |name: &str, value: &dyn std::fmt::Display| format!("-{name}={value}");
    let mut command = Command::new("victoria-metrics");
    command.args([
        flag("storageDataPath", &directory.path().join("data").display()),
        flag("httpListenAddr", &address),
        // Without this, results are half a minute old.
        flag("search.latencyOffset", &"0s"),
        flag("search.disableCache", &true),
    ]);
    command.args(options);
    let mut process = Process::start(command);
    let known =
        eventually(DEADLINE, || !process.is_running() || TcpStream::connect(address).is_ok());
    assert!(known, "VictoriaMetrics does not listen");
    if !process.is_running() {
        panic!("VictoriaMetrics does not start: {:?}", process.finish());
    }
    process
}
