//! The running API service with its own SQLite file, and its dependencies.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::ops::Deref;
use std::process::Command;
use std::time::{Duration, Instant};

use asdlc_tests::example::{Example, command};
use asdlc_tests::exposition::Exposition;
use asdlc_tests::process::Process;
use asdlc_tests::servers::{Postgres, Redis, free_address};
use asdlc_tests::wait::{DEADLINE, eventually};
use serde_json::Value;
use tempfile::TempDir;

/// A running API service.
#[derive(Debug)]
pub(crate) struct Api {
    // Fields are dropped in this order: the process ends before its directory is removed.
    example: Option<Example>,
    directory: TempDir,
    environment: Vec<(String, String)>,
}

impl Api {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts it with these environment variables, on a free port, with a new directory for its files.
    pub(crate) fn start_with(environment: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let environment =
            environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let mut this = Self { example: None, directory, environment: environment.collect() };
        this.start_again();
        this
    }

    /// Starts it again with the same settings, on a free port unless they set one.
    pub(crate) fn start_again(&mut self) {
        self.example = Some(Example::spawn(self.command()));
    }

    /// The command that starts it with the same settings.
    pub(crate) fn command(&self) -> Command {
        let mut command = command("api");
        // The default file is in the working directory.
        command.current_dir(self.directory.path()).env("LISTEN_ADDR", "127.0.0.1:0");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Sends SIGKILL and waits until it has ended.
    pub(crate) fn kill(&mut self) {
        self.process().kill();
        let ended = self.example.take().expect("the process is running").finish();
        assert!(ended.status.code().is_none(), "{ended:?}");
    }

    pub(crate) fn into_example(mut self) -> (Example, TempDir) {
        (self.example.take().expect("the process is running"), self.directory)
    }

    pub(crate) fn metrics(&self) -> Exposition {
        self.scrape_at("/v1/metrics")
    }

    /// Scrapes until `settled` is true. The server may record a request a moment after its client has read the response.
    #[track_caller]
    pub(crate) fn metrics_when(&self, settled: impl Fn(&Exposition) -> bool) -> Exposition {
        let arrived = eventually(DEADLINE, || settled(&self.metrics()));
        let scrape = self.metrics();
        assert!(arrived, "{scrape:#?}");
        scrape
    }

    pub(crate) fn readiness(&self) -> Readiness {
        let start = Instant::now();
        let response = self.connect().get("/v1/ready");
        let body = serde_json::from_slice(response.body()).expect("the body is JSON");
        Readiness { status: response.status().as_u16(), body, took: start.elapsed() }
    }

    /// Waits until readiness has `status` and exactly the dependencies `unhealthy` are unhealthy, in a response within [`SOON`].
    #[track_caller]
    pub(crate) fn await_readiness(&self, status: u16, unhealthy: &[&str]) -> Readiness {
        let mut last = None;
        let arrived = eventually(DEADLINE, || {
            let now = self.readiness();
            let expected = now.status == status && now.unhealthy() == unhealthy && now.took < SOON;
            last = Some(now);
            expected
        });
        let last = last.expect("there was a response");
        assert!(arrived, "expected {status} and {unhealthy:?}: {last:?}");
        last
    }

    /// Checks liveness, which must not depend on other servers.
    #[track_caller]
    pub(crate) fn assert_alive(&self) {
        let response = self.connect().get("/v1/health");
        assert_eq!(response.status(), 200);
        let body: Value = serde_json::from_slice(response.body()).expect("the body is JSON");
        assert_eq!(body["status"], "ok");
    }

    /// Sends an event and returns the status and the body of the response.
    pub(crate) fn post(&self, event: &str) -> (u16, Value) {
        let response = self.connect().post_json("/v1/events", event);
        let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        (response.status().as_u16(), body)
    }

    /// Sends events until one is accepted, and returns its id.
    #[track_caller]
    pub(crate) fn await_taken(&self) -> String {
        let mut last = (0, Value::Null);
        let taken = eventually(DEADLINE, || {
            last = self.post(EVENT);
            last.0 == 201
        });
        assert!(taken, "{last:?}");
        last.1["id"].as_str().expect("an event has an id").to_owned()
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        let response = self.connect().get(path);
        let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
        (response.status().as_u16(), body)
    }
}

impl Deref for Api {
    type Target = Example;

    fn deref(&self) -> &Example {
        self.example.as_ref().expect("the process is running")
    }
}

/// A response of `/v1/ready`.
#[derive(Debug)]
pub(crate) struct Readiness {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) took: Duration,
}

impl Readiness {
    pub(crate) fn dependencies(&self) -> &[Value] {
        self.body["dependencies"].as_array().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.dependencies().iter().filter_map(|dependency| dependency["name"].as_str()).collect()
    }

    pub(crate) fn unhealthy(&self) -> Vec<&str> {
        let unhealthy = self.dependencies().iter().filter(|one| one["healthy"] == false);
        unhealthy.filter_map(|dependency| dependency["name"].as_str()).collect()
    }
}

/// A dependency that can be killed and frozen.
pub(crate) trait Dependency: Debug {
    fn freeze(&self);
    fn thaw(&self);
    fn kill(&mut self);
    fn restart(&mut self);
}

impl Dependency for Postgres {
    fn freeze(&self) {
        self.freeze();
    }

    fn thaw(&self) {
        self.thaw();
    }

    fn kill(&mut self) {
        self.kill();
    }

    fn restart(&mut self) {
        self.restart();
    }
}

impl Dependency for Redis {
    fn freeze(&self) {
        self.process().freeze();
    }

    fn thaw(&self) {
        self.process().thaw();
    }

    fn kill(&mut self) {
        self.kill();
    }

    fn restart(&mut self) {
        self.restart();
    }
}

/// An event store: another API service, which has the same protocol.
#[derive(Debug)]
pub(crate) struct EventStore(pub(crate) Api);

impl EventStore {
    pub(crate) fn start() -> Self {
        Self(Api::start_with(&[("LISTEN_ADDR", &free_address().to_string())]))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.0.address())
    }
}

impl Dependency for EventStore {
    fn freeze(&self) {
        self.0.process().freeze();
    }

    fn thaw(&self) {
        self.0.process().thaw();
    }

    fn kill(&mut self) {
        self.0.kill();
    }

    fn restart(&mut self) {
        self.0.start_again();
    }
}

/// A listener that never responds.
#[derive(Debug)]
pub(crate) struct Silence(std::net::TcpListener);

impl Silence {
    pub(crate) fn start() -> Self {
        Self(std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port"))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("a listener has an address")
    }
}

/// Runs the command until it ends.
pub(crate) fn run(command: Command) -> asdlc_tests::process::Finished {
    Process::start(command).finish()
}

/// The head of a request that posts [`EVENT`], with these additional header lines.
pub(crate) fn event_head(headers: &str) -> String {
    format!(
        "POST /v1/events HTTP/1.1\r\nHost: test\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        EVENT.len()
    )
}

pub(crate) const EVENT: &str = r#"{"source":"shop","type":"order.paid","data":{"order":7}}"#;

/// Kubernetes waits for one second. The test machine may be busy, so the limit is higher.
pub(crate) const SOON: Duration = Duration::from_millis(1_500);
