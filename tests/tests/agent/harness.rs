//! A running agent, and a client that shares no code with the agent.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use asdlc_tests::example::{Example, command};
use asdlc_tests::exposition::Exposition;
use asdlc_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A running agent. Fields are dropped in this order: the process ends before its directory is removed.
pub(crate) struct Agent {
    pub(crate) example: Example,
    pub(crate) peers_address: SocketAddr,
    pub(crate) directory: TempDir,
}

impl Agent {
    /// Starts an agent with this configuration, which may be empty.
    pub(crate) fn start(configuration: &str) -> Self {
        Self::start_with(configuration, &[])
    }

    /// As [`start`](Self::start), with these environment variables. `DIR` in the configuration stands for its directory.
    pub(crate) fn start_with(configuration: &str, environment: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        Self::start_in(directory, configuration, environment)
    }

    /// Starts an agent in an existing directory, for example that of an agent that has ended.
    pub(crate) fn start_in(
        directory: TempDir,
        configuration: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let path = configuration_file(directory.path(), configuration);
        let mut command = command("agent");
        command.env("LISTEN_ADDR", "127.0.0.1:0").envs(environment.iter().copied());
        command.arg("--config").arg(path);
        let example = Example::spawn(command);
        let peers_address =
            example.process().await_stderr(peers_address).expect("the agent listens");
        Self { example, peers_address, directory }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.peers_address)
    }

    pub(crate) fn scrape(&self) -> Exposition {
        self.example.scrape()
    }

    /// Waits until this many messages have been processed, and returns the scrape.
    #[track_caller]
    pub(crate) fn scrape_after(&self, messages: u32) -> Exposition {
        let processed = || self.scrape().sum("message_processing_duration_seconds_count");
        assert!(eventually(DEADLINE, || processed() >= f64::from(messages)), "{}", processed());
        self.scrape()
    }
}

/// The address for peers, from a line of the log.
pub(crate) fn peers_address(line: &str) -> Option<SocketAddr> {
    line.split_once("peers and clients on ")?.1.parse().ok()
}

pub(crate) fn configuration_file(directory: &Path, configuration: &str) -> PathBuf {
    let path = directory.join("agent.yaml");
    let text = configuration.replace("DIR", &directory.display().to_string());
    fs::write(&path, text).expect("the directory is writable");
    path
}

/// The number of storage operations by operation and backend.
pub(crate) fn operations(scrape: &Exposition, name: &str) -> Vec<(String, f64)> {
    let sums = scrape.sum_by(name, ["operation", "backend"]);
    sums.into_iter().map(|(labels, sum)| (labels.join(" "), sum)).collect()
}

/// One connection. A frame is four bytes of length and that many bytes of JSON.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the agent accepts a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout can be set");
        Self(stream)
    }

    pub(crate) fn put(&mut self, key: &str, value: &str) {
        self.send_expecting_done(&json!({ "type": "put", "key": key, "value": value }));
    }

    pub(crate) fn delete(&mut self, key: &str) {
        self.send_expecting_done(&json!({ "type": "delete", "key": key }));
    }

    pub(crate) fn ping(&mut self) {
        self.send_expecting_done(&json!({ "type": "ping" }));
    }

    pub(crate) fn get(&mut self, key: &str) -> Option<String> {
        let reply = self.send(&json!({ "type": "get", "key": key }));
        assert_eq!(reply["type"], "value", "{reply}");
        reply["value"].as_str().map(str::to_owned)
    }

    fn send_expecting_done(&mut self, message: &Value) {
        assert_eq!(self.send(message), json!({ "type": "done" }), "{message}");
    }

    pub(crate) fn send(&mut self, message: &Value) -> Value {
        self.send_frame(message.to_string().as_bytes());
        self.receive().expect("the agent replies")
    }

    pub(crate) fn send_frame(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).expect("it is short").to_be_bytes();
        self.send_bytes(&[&length, frame].concat());
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the agent reads");
    }

    /// The next reply. `None` if the agent has closed the connection.
    pub(crate) fn receive(&mut self) -> Option<Value> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).ok()?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut frame).ok()?;
        Some(serde_json::from_slice(&frame).expect("the reply is JSON"))
    }
}
