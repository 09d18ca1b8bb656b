//! An example program as a child process.

use std::env;
use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Instant;

use bytes::Bytes;
use http::Response;

use crate::client::Connection;
use crate::exposition::Exposition;
use crate::process::{Finished, Process};
use crate::program::{program, program_with, release_program};
use crate::wait::{DEADLINE, eventually};

/// A running example program on a free loopback port.
#[derive(Debug)]
pub struct Example {
    process: Process,
    address: SocketAddr,
}

impl Example {
    /// Starts `package` on a free port, with default settings.
    #[must_use]
    pub fn start(package: &'static str) -> Self {
        Self::start_with(package, &[])
    }

    /// As [`start`](Self::start), with these environment variables.
    #[must_use]
    pub fn start_with(package: &'static str, environment: &[(&str, &str)]) -> Self {
        let mut command = command(package);
        command.env("LISTEN_ADDR", "127.0.0.1:0").envs(environment.iter().copied());
        Self::spawn(command)
    }

    /// Starts a command (see [`command`]) and waits until the program prints its address.
    #[must_use]
    pub fn spawn(command: Command) -> Self {
        let process = Process::start(command);
        let address = process
            .await_stdout(|line| line.strip_prefix("listening on http://")?.parse().ok())
            .unwrap_or_else(|error| panic!("the program does not listen: {error}"));
        Self { process, address }
    }

    /// The process, to send signals or to read its output.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Opens a new connection to it.
    #[must_use]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Scrapes `/metrics` on a new connection.
    #[must_use]
    pub fn scrape(&self) -> Exposition {
        self.scrape_at("/metrics")
    }

    /// Scrapes this path on a new connection.
    #[must_use]
    pub fn scrape_at(&self, path: &str) -> Exposition {
        let body = self.connect().get(path).into_body();
        Exposition::parse(&body).unwrap_or_else(|violations| {
            panic!("{path} is not valid: {violations:#?}\n{}", String::from_utf8_lossy(&body))
        })
    }

    /// The response to a scrape of `/metrics` on a new connection.
    #[must_use]
    pub fn scrape_response(&self) -> Response<Bytes> {
        self.connect().get("/metrics")
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits until the process has ended.
    #[must_use]
    pub fn finish(self) -> Finished {
        self.process.finish()
    }
}

/// Runs `package` with these arguments and environment variables, until it ends.
#[must_use]
pub fn run<E: AsRef<OsStr>>(
    package: &'static str,
    arguments: &[&str],
    environment: &[(&str, E)],
) -> Finished {
    let mut command = command(package);
    command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
    Process::start(command).finish()
}

/// Checks that `package --help` succeeds and contains all of `words`.
#[track_caller]
pub fn assert_help_lists(package: &'static str, words: &[&str]) {
    let finished = run::<&str>(package, &["--help"], &[]);
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    assert_eq!(finished.stderr, [""; 0]);
    let help = finished.stdout.join("\n");
    for word in words {
        assert!(help.contains(word), "{word} is missing in\n{help}");
    }
}

/// Checks that `package` does not start on a port that is in use, and that its error of one line names the address.
#[track_caller]
pub fn assert_taken_port_is_an_error(package: &'static str) {
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = taken.local_addr().expect("a listener has an address").to_string();
    let finished = run(package, &[], &[("LISTEN_ADDR", &address)]);
    assert!(finished.refusal().contains(&address), "{finished:?}");
}

/// Starts an example with `start`, and checks that its gauge, read with `uptime`, counts the seconds since that start.
#[track_caller]
pub fn assert_counts_uptime<T>(start: impl FnOnce() -> T, uptime: impl Fn(&T) -> f64) {
    let before = Instant::now();
    let running = start();
    let ready = Instant::now();
    let first = uptime(&running);
    assert!((0.0..=before.elapsed().as_secs_f64()).contains(&first), "{first}");
    let grows = eventually(DEADLINE, || uptime(&running) > first + 0.1);
    assert!(grows, "the uptime stays {first}");
    let at_least = ready.elapsed().as_secs_f64();
    let last = uptime(&running);
    assert!((at_least..=before.elapsed().as_secs_f64()).contains(&last), "{last}");
}

/// The command that starts `package`. It inherits none of the variables that the examples read.
#[must_use]
pub fn command(package: &'static str) -> Command {
    without_variables(Command::new(program(package)))
}

/// As [`command`], with a feature that is off by default.
#[must_use]
pub fn command_with(package: &'static str, feature: &'static str, name: &'static str) -> Command {
    without_variables(Command::new(program_with(package, feature, name)))
}

/// As [`command`], for the release build.
#[must_use]
pub fn release_command(package: &'static str) -> Command {
    without_variables(Command::new(release_program(package)))
}

/// Removes the variables that the examples read from the environment of `command`.
#[must_use]
pub fn without_variables(mut command: Command) -> Command {
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    // The OpenTelemetry SDK and PostgreSQL's client read these.
    for (name, _) in env::vars_os() {
        if [&b"OTEL_"[..], b"PG"].iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

const VARIABLES: [&str; 15] = [
    "LISTEN_ADDR",
    "SERVICE_NAME",
    "ENVIRONMENT",
    "RUST_LOG",
    "REDIS_URL",
    "VICTORIAMETRICS_URL",
    "QUERY_TIMEOUT",
    "ARTIFACT_STORE_URL",
    "WORKERS",
    "ABANDONED_AFTER",
    "DATABASE_URL",
    "EVENT_STORE_URL",
    "EVENTS_PER_MINUTE",
    "STATE_FILE",
    "TRACE_URL",
];
