//! A real `VictoriaMetrics`, single node.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use http::StatusCode;
use tempfile::TempDir;

use super::{QueryApi, free_address, write_config};
use crate::client::Connection;
use crate::process::Process;
use crate::wait::{DEADLINE, eventually};

/// A `VictoriaMetrics` on a free loopback port; dropping it kills it.
#[derive(Debug)]
pub struct VictoriaMetrics {
    // Dropped in this order: the process goes before its directory.
    process: Process,
    directory: TempDir,
    address: SocketAddr,
    options: Vec<String>,
}

impl VictoriaMetrics {
    /// Starts it with one target, which it scrapes every second, and waits until it can answer queries about the first scrape.
    #[must_use]
    pub fn scraping(target: SocketAddr) -> Self {
        Self::scraping_paths(target, &["/metrics".to_owned()])
    }

    /// As [`scraping`](Self::scraping), each path as a target of its own with the label `path`.
    #[must_use]
    pub fn scraping_paths(target: SocketAddr, paths: &[String]) -> Self {
        let this = Self::start(Some((target, paths)), &[]);
        // A query for series that it has not indexed yet is answered with nothing, and the answer kept for ten seconds.
        this.targets(paths.len());
        this.flush();
        this
    }

    /// Starts it without anything to scrape, for others to write to.
    #[must_use]
    pub fn empty() -> Self {
        Self::start(None, &[])
    }

    /// Starts it with a target and more options, as on its command line, and waits until it listens.
    #[must_use]
    pub fn start_with(target: SocketAddr, options: &[&str]) -> Self {
        Self::start(Some((target, &["/metrics".to_owned()])), options)
    }

    /// Where it listens, as `http://…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process, to freeze and thaw it.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Makes what was written so far visible to queries.
    pub fn flush(&self) {
        let flushed = Connection::open(self.address).get("/internal/force_flush");
        assert_eq!(flushed.status(), StatusCode::OK, "{:?}", flushed.body());
    }

    /// SIGKILL, and waits until it has ended.
    pub fn kill(&mut self) {
        self.process.kill();
        let died = eventually(DEADLINE, || !self.process.is_running());
        assert!(died, "VictoriaMetrics does not die");
    }

    /// Starts a killed one again, on the same port and with the same data.
    pub fn start_again(&mut self) {
        self.process = spawn(&self.directory, self.address, &self.options);
    }

    fn start(target: Option<(SocketAddr, &[String])>, options: &[&str]) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let mut options: Vec<_> = options.iter().copied().map(str::to_owned).collect();
        if let Some((target, paths)) = target {
            let config = write_config(directory.path(), &[target], paths);
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

/// Returns when it accepts connections.
fn spawn(directory: &TempDir, address: SocketAddr, options: &[String]) -> Process {
    let flag = |name: &str, value: &dyn std::fmt::Display| format!("-{name}={value}");
    let mut command = Command::new("victoria-metrics");
    command.args([
        flag("storageDataPath", &directory.path().join("data").display()),
        flag("httpListenAddr", &address),
        // Answers with what it has ingested, not with what it had half a minute ago.
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
