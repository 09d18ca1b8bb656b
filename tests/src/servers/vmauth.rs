//! A real vmauth.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use tempfile::TempDir;

use super::free_address;
use crate::process::Process;
use crate::wait::{DEADLINE, eventually};

/// A vmauth on a free loopback port; dropping it kills it.
#[derive(Debug)]
pub struct Vmauth {
    // Dropped in this order: the process goes before its directory.
    _process: Process,
    _directory: TempDir,
    address: SocketAddr,
}

impl Vmauth {
    /// Starts it with this configuration, as the file would have it, and waits until it listens.
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
        // It says so a moment before it listens.
        let listens = eventually(DEADLINE, || TcpStream::connect(address).is_ok());
        assert!(listens, "vmauth does not listen");
        Self { _process: process, _directory: directory, address }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
