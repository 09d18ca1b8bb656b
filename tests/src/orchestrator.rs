//! The orchestrator example as a process of its own.

use std::net::SocketAddr;
use std::process::Command;

use bytes::Bytes;
use http::Response;

use crate::client::Connection;
use crate::exposition::Exposition;
use crate::process::{Finished, Process};
use crate::program::program;

/// A running orchestrator on a free loopback port.
#[derive(Debug)]
pub struct Orchestrator {
    process: Process,
    address: SocketAddr,
}

impl Orchestrator {
    /// Starts it with nothing configured but a free port.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts it with `environment` on top.
    #[must_use]
    pub fn start_with(environment: &[(&str, &str)]) -> Self {
        let mut command = command();
        command.env("LISTEN_ADDR", "127.0.0.1:0").envs(environment.iter().copied());
        let process = Process::start(command);
        let address = process
            .await_stdout(|line| line.strip_prefix("listening on http://")?.parse().ok())
            .unwrap_or_else(|error| panic!("the orchestrator does not listen: {error}"));
        Self { process, address }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// A new connection to it.
    #[must_use]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Scrapes it on a new connection.
    #[must_use]
    pub fn scrape(&self) -> Exposition {
        let body = self.scrape_response().into_body();
        Exposition::parse(&body).unwrap_or_else(|violations| {
            panic!(
                "/metrics breaks the format: {violations:#?}\n{}",
                String::from_utf8_lossy(&body)
            )
        })
    }

    /// The response to a scrape on a new connection.
    #[must_use]
    pub fn scrape_response(&self) -> Response<Bytes> {
        self.connect().get("/metrics")
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits for its end.
    #[must_use]
    pub fn finish(self) -> Finished {
        self.process.finish()
    }
}

/// The orchestrator's command with none of the variables it reads.
#[must_use]
pub fn command() -> Command {
    let mut command = Command::new(program("orchestrator"));
    for variable in ["LISTEN_ADDR", "SERVICE_NAME", "ENVIRONMENT", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command
}
