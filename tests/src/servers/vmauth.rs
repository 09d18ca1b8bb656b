//! A real vmauth.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use super::free_address;
use crate::process::Process;
use crate::wait::{DEADLINE, eventually};

/// A vmauth on a free loopback port. Dropping it kills it.
#[derive(Debug)]
pub struct Vmauth {
    // Fields are dropped in this order: the process ends before its directory is removed.
    _process: Process,
    _directory: TempDir,
    address: SocketAddr,
}

impl Vmauth {
    /// Starts it with this content of its configuration file, and waits until it listens.
    #[must_use]
    pub fn start(config: &str) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let path = directory.path().join("auth.yml");
        fs::write(&path, config).expect("the temporary directory is writable");
        let address = free_address();
        let mut command = Command::new("vmauth");
        command.arg(format!("-auth.config={}", path.display()));
        command.arg(format!("-httpListenAddr={address}"));
        let process = Process::start(command);
        process
            .await_stderr(|line| line.contains("started vmauth").then_some(()))
            .unwrap_or_else(|error| panic!("vmauth does not start: {error}"));
        // vmauth prints this line shortly before it listens.
        let listens = eventually(DEADLINE, || TcpStream::connect(address).is_ok());
        assert!(listens, "vmauth does not listen");
        Self { _process: process, _directory: directory, address }
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
