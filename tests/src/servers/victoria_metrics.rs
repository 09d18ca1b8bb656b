//! A real `VictoriaMetrics`, single node.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use http::StatusCode;
use tempfile::TempDir;

use super::scrape_config::ScrapeConfig;
use super::{Generation, QueryApi, free_address};
use crate::client::Connection;
use crate::process::Process;
use crate::wait::{DEADLINE, eventually};

/// A `VictoriaMetrics` on a free loopback port, of Debian's stable release unless a [`builder`](Self::builder) says more. Dropping it
/// kills it.
#[derive(Debug)]
pub struct VictoriaMetrics {
    // Fields are dropped in this order: the process ends before its directory is removed.
    process: Process,
    directory: TempDir,
    address: SocketAddr,
    generation: Generation,
    options: Vec<String>,
}

impl VictoriaMetrics {
    /// Starts it with one target, which it scrapes every second, and waits until queries can find the first scrape.
    #[must_use]
    pub fn scraping(target: SocketAddr) -> Self {
        Self::builder(Generation::Stable).scraping(target)
    }

    /// As [`scraping`](Self::scraping), with each path as a separate target with the label `path`.
    #[must_use]
    pub fn scraping_paths(target: SocketAddr, paths: &[String]) -> Self {
        Self::builder(Generation::Stable).with_paths(paths).scraping(target)
    }

    /// Starts it without a target, for programs that write to it.
    #[must_use]
    pub fn empty() -> Self {
        Self::builder(Generation::Stable).empty()
    }

    /// Starts it with a target and more command line options, and waits until it listens.
    #[must_use]
    pub fn start_with(target: SocketAddr, options: &[&str]) -> Self {
        Self::builder(Generation::Stable).with_options(options).start(Some(target))
    }

    /// One with more settings.
    pub fn builder(generation: Generation) -> VictoriaMetricsBuilder {
        VictoriaMetricsBuilder { generation, options: Vec::new(), config: ScrapeConfig::new() }
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

    /// Waits until a program has written to it, and until queries can find that. Without this, a query that was too early has its
    /// empty result for ten seconds.
    pub fn await_rows(&self) {
        let inserted = |metrics: &[u8]| {
            let metrics = String::from_utf8_lossy(metrics).into_owned();
            let rows = metrics.lines().filter(|line| line.starts_with("vm_rows_inserted_total{"));
            rows.filter_map(|line| line.rsplit_once(' ')).any(|(_, rows)| rows != "0")
        };
        let written = eventually(DEADLINE, || {
            inserted(Connection::open(self.address).get("/metrics").body())
        });
        assert!(written, "nothing is written to it");
        self.flush();
    }

    /// Sends SIGKILL and waits until it has ended.
    pub fn kill(&mut self) {
        self.process.kill();
        let died = eventually(DEADLINE, || !self.process.is_running());
        assert!(died, "VictoriaMetrics does not end");
    }

    /// Restarts a killed server on the same port with the same data.
    pub fn start_again(&mut self) {
        self.process = spawn(self.generation, &self.directory, self.address, &self.options);
    }
}

impl QueryApi for VictoriaMetrics {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The settings of a [`VictoriaMetrics`].
#[derive(Debug, Clone)]
#[must_use]
pub struct VictoriaMetricsBuilder {
    generation: Generation,
    options: Vec<String>,
    config: ScrapeConfig,
}

impl VictoriaMetricsBuilder {
    /// More command line options.
    pub fn with_options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// A setting of the scrape job.
    pub fn with_setting(mut self, key: &str, value: &str) -> Self {
        self.config.add_setting(key, value);
        self
    }

    /// The time between two scrapes, a second by default. It is also the timeout of a scrape.
    pub fn with_interval(mut self, interval: Duration) -> Self {
        self.config.set_interval(interval);
        self
    }

    /// Scrapes each path as a separate target, with the label `path`, every five seconds by default.
    pub fn with_paths(mut self, paths: &[String]) -> Self {
        self.config.set_paths(paths);
        self
    }

    /// Starts it with one target, and waits until queries can find the first scrape.
    #[must_use]
    pub fn scraping(&self, target: SocketAddr) -> VictoriaMetrics {
        let started = self.start(Some(target));
        // A query for series that are not indexed yet has an empty result, which is cached for ten seconds.
        started.targets(self.config.path_count());
        started.flush();
        started
    }

    /// Starts it without a target, for programs that write to it.
    #[must_use]
    pub fn empty(&self) -> VictoriaMetrics {
        self.start(None)
    }

    fn start(&self, target: Option<SocketAddr>) -> VictoriaMetrics {
        let Self { generation, options, config } = self;
        let generation = *generation;
        let directory = TempDir::new().expect("a temporary directory can be made");
        let mut options = options.clone();
        if let Some(target) = target {
            let config = config.write(directory.path(), &[target]);
            options.push(format!("-promscrape.config={}", config.display()));
        }
        let address = free_address();
        let process = spawn(generation, &directory, address, &options);
        VictoriaMetrics { process, directory, address, generation, options }
    }
}

/// Starts the server and waits until it accepts connections.
fn spawn(
    generation: Generation,
    directory: &TempDir,
    address: SocketAddr,
    options: &[String],
) -> Process {
    let flag = |name: &str, value: &dyn std::fmt::Display| format!("-{name}={value}");
    let mut command = Command::new(generation.program("victoria-metrics"));
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
