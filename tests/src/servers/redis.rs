//! A real Redis.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::free_address;
use crate::process::Process;
use crate::wait::{DEADLINE, eventually};

/// A Redis server on a free loopback port. Dropping it kills it.
#[derive(Debug)]
pub struct Redis {
    // Fields are dropped in this order: the process ends before its directory is removed.
    process: Process,
    directory: TempDir,
    address: SocketAddr,
    options: Vec<String>,
    tls: bool,
}

impl Redis {
    /// Starts it with an append-only file, so that a killed server restarts with its data.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`start`](Self::start), with more command line options.
    #[must_use]
    pub fn start_with(options: &[&str]) -> Self {
        Self::start_as(false, options)
    }

    /// Starts it with TLS only, and a self-signed certificate.
    #[must_use]
    pub fn start_with_tls() -> Self {
        Self::start_as(true, &[])
    }

    fn start_as(tls: bool, options: &[&str]) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        if tls {
            make_certificate(directory.path());
        }
        let options: Vec<_> = options.iter().copied().map(str::to_owned).collect();
        let address = free_address();
        let process = spawn(&directory, address, tls, &options);
        Self { process, directory, address, options, tls }
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `redis://…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The certificate of a server with [TLS](Self::start_with_tls), as PEM.
    #[must_use]
    pub fn certificate(&self) -> Vec<u8> {
        fs::read(self.directory.path().join(CERTIFICATE)).expect("it has a certificate")
    }

    /// Its process, to freeze and thaw it.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Sends SIGKILL and waits until it has ended.
    pub fn kill(&mut self) {
        if self.process.is_running() {
            self.process.kill();
        }
        assert!(eventually(DEADLINE, || !self.process.is_running()), "Redis does not end");
    }

    /// Restarts it on the same port with the same data.
    pub fn restart(&mut self) {
        self.kill();
        self.process = spawn(&self.directory, self.address, self.tls, &self.options);
    }

    /// Restarts it with other options, and with or without TLS.
    pub fn restart_with(&mut self, tls: bool, options: &[&str]) {
        self.tls = tls;
        self.options = options.iter().copied().map(str::to_owned).collect();
        self.restart();
    }
}

/// Starts the server and waits until it is ready.
fn spawn(directory: &TempDir, address: SocketAddr, tls: bool, options: &[String]) -> Process {
    let (directory, port) = (directory.path(), address.port().to_string());
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--dir"]).arg(directory);
    if tls {
        command.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]);
        command.args(["--tls-cert-file", CERTIFICATE, "--tls-key-file", KEY]);
        command.current_dir(directory);
    } else {
        command.args(["--port", &port]);
    }
    command.args(["--save", "", "--appendonly", "yes"]).args(options);
    let process = Process::start(command);
    // Redis listens before it has loaded its data, and responds with `LOADING` until then.
    let ready = |line: &str| line.contains("Ready to accept connections").then_some(());
    let started = process.await_stdout(ready);
    started.unwrap_or_else(|error| panic!("Redis does not start: {error}"));
    process
}

fn make_certificate(directory: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args([
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=redis",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .args([
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-out",
            CERTIFICATE,
            "-keyout",
            KEY,
        ])
        .current_dir(directory)
        .output()
        .expect("openssl starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    fn send(redis: &Redis, command: &str) -> String {
        let mut stream = TcpStream::connect(redis.address()).expect("Redis listens");
        stream.write_all(command.as_bytes()).expect("Redis reads");
        let mut reply = [0; 64];
        let read = stream.read(&mut reply).expect("Redis replies");
        String::from_utf8_lossy(&reply[..read]).into_owned()
    }

    #[test]
    fn a_killed_server_restarts_on_its_port_with_its_data() {
        let mut redis = Redis::start_with(&["--appendfsync", "always"]);
        assert_eq!(send(&redis, "SET answer 42\r\n"), "+OK\r\n");
        redis.kill();
        assert!(TcpStream::connect(redis.address()).is_err());
        redis.restart();
        assert_eq!(send(&redis, "GET answer\r\n"), "$2\r\n42\r\n");
    }
}
