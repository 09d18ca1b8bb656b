//! A real `VictoriaMetrics`, single node.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use http::StatusCode;
use tempfile::TempDir;

use super::{ATTEMPTS, QueryApi, free_address, write_config};
use crate::client::Connection;
use crate::process::Process;
use crate::wait::{DEADLINE, eventually};

/// A `VictoriaMetrics` that scrapes one target every second.
#[derive(Debug)]
pub struct VictoriaMetrics {
    // Dropped in this order: the process goes before its directory.
    _process: Process,
    _directory: TempDir,
    address: SocketAddr,
}

impl VictoriaMetrics {
    /// Starts it and waits until it can answer queries about its first scrape.
    #[must_use]
    pub fn scraping(target: SocketAddr) -> Self {
        Self::scraping_paths(target, &["/metrics".to_owned()])
    }

    /// As [`scraping`](Self::scraping), each path as a target of its own with the label `path`.
    #[must_use]
    pub fn scraping_paths(target: SocketAddr, paths: &[String]) -> Self {
        // It does not say which port it took for port 0, so one is picked here; when somebody else was faster, another.
        let this = (0..ATTEMPTS)
            .find_map(|_| Self::start(target, paths))
            .expect("VictoriaMetrics starts on a free port");
        // A query for series that it has not indexed yet is answered with nothing, and the answer kept for ten seconds.
        this.targets(paths.len());
        let flushed = Connection::open(this.address).get("/internal/force_flush");
        assert_eq!(flushed.status(), StatusCode::OK, "{:?}", flushed.body());
        this
    }

    fn start(target: SocketAddr, paths: &[String]) -> Option<Self> {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let address = free_address();
        let flag = |name: &str, value: &dyn std::fmt::Display| format!("-{name}={value}");
        let mut command = Command::new("victoria-metrics");
        command.args([
            flag("promscrape.config", &write_config(directory.path(), target, paths).display()),
            flag("storageDataPath", &directory.path().join("data").display()),
            flag("httpListenAddr", &address),
            // Answers with what it has ingested, not with what it had half a minute ago.
            flag("search.latencyOffset", &"0s"),
            flag("search.disableCache", &true),
        ]);
        let mut process = Process::start(command);
        let connected =
            eventually(DEADLINE, || !process.is_running() || TcpStream::connect(address).is_ok());
        assert!(connected, "VictoriaMetrics does not listen");
        process.is_running().then_some(Self { _process: process, _directory: directory, address })
    }
}

impl QueryApi for VictoriaMetrics {
    fn address(&self) -> SocketAddr {
        self.address
    }
}
