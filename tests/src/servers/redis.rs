//! A real Redis.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use super::{ATTEMPTS, free_address};
use crate::process::Process;
use crate::wait::{DEADLINE, eventually};

/// A Redis server on a free loopback port; dropping it kills it.
#[derive(Debug)]
pub struct Redis {
    // Dropped in this order: the process goes before its directory.
    process: Process,
    directory: TempDir,
    address: SocketAddr,
    options: Vec<String>,
}

impl Redis {
    /// Starts it with nothing but an append-only file, so that a killed one comes back with its data.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts it with more options, as on its command line.
    #[must_use]
    pub fn start_with(options: &[&str]) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let options: Vec<_> = options.iter().copied().map(str::to_owned).collect();
        let (process, address) = (0..ATTEMPTS)
            .find_map(|_| {
                let address = free_address();
                Some((spawn(&directory, address, &options)?, address))
            })
            .expect("Redis starts on a free port");
        Self { process, directory, address, options }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `redis://…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Its process, to freeze and thaw it.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// SIGKILL, and waits until nobody answers on the port.
    pub fn kill(&mut self) {
        if self.process.is_running() {
            self.process.kill();
        }
        assert!(eventually(DEADLINE, || !self.process.is_running()), "Redis does not die");
    }

    /// Starts it again, on the same port and with the same data.
    pub fn restart(&mut self) {
        self.kill();
        self.process = spawn(&self.directory, self.address, &self.options)
            .expect("Redis starts again on its port");
    }
}

/// Returns when it accepts connections; `None` when it ended instead.
fn spawn(directory: &TempDir, address: SocketAddr, options: &[String]) -> Option<Process> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
    command
        .args(["--save", "", "--appendonly", "yes", "--dir"])
        .arg(directory.path())
        .args(options);
    let mut process = Process::start(command);
    let connected =
        eventually(DEADLINE, || !process.is_running() || TcpStream::connect(address).is_ok());
    assert!(connected, "Redis does not listen");
    process.is_running().then_some(process)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn ask(redis: &Redis, command: &str) -> String {
        let mut stream = TcpStream::connect(redis.address()).expect("Redis listens");
        stream.write_all(command.as_bytes()).expect("Redis reads");
        let mut answer = [0; 64];
        let read = stream.read(&mut answer).expect("Redis answers");
        String::from_utf8_lossy(&answer[..read]).into_owned()
    }

    #[test]
    fn a_killed_one_comes_back_on_its_port_with_its_data() {
        let mut redis = Redis::start_with(&["--appendfsync", "always"]);
        assert_eq!(ask(&redis, "SET answer 42\r\n"), "+OK\r\n");
        redis.kill();
        assert!(TcpStream::connect(redis.address()).is_err());
        redis.restart();
        assert_eq!(ask(&redis, "GET answer\r\n"), "$2\r\n42\r\n");
    }
}
