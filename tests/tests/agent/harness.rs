//! A running agent, and a client that shares no code with it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use asdlc_tests::example::{Example, command};
use asdlc_tests::exposition::Exposition;
use asdlc_tests::wait::{DEADLINE, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Dropped in this order: the process goes before its directory.
pub(crate) struct Agent {
    pub(crate) example: Example,
    pub(crate) peers_address: SocketAddr,
    pub(crate) directory: TempDir,
}

impl Agent {
    /// Starts it with this configuration, which may be empty, and nothing else.
    pub(crate) fn start(configuration: &str) -> Self {
        Self::start_with(configuration, &[])
    }

    /// Starts it with `environment` on top. `DIR` in the configuration is a directory of its own.
    pub(crate) fn start_with(configuration: &str, environment: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        Self::start_in(directory, configuration, environment)
    }

    /// Starts it again in the directory of one that has ended.
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
        let peers_address = example.process().await_stderr(peers_address).expect("it listens");
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

/// Where it says that peers may connect.
pub(crate) fn peers_address(line: &str) -> Option<SocketAddr> {
    line.split_once("peers and clients on ")?.1.parse().ok()
}

pub(crate) fn configuration_file(directory: &Path, configuration: &str) -> PathBuf {
    let path = directory.join("agent.yaml");
    let text = configuration.replace("DIR", &directory.display().to_string());
    fs::write(&path, text).expect("the directory is writable");
    path
}

/// How many storage operations there were, by operation and backend.
pub(crate) fn operations(scrape: &Exposition, name: &str) -> Vec<(String, f64)> {
    let sums = scrape.sum_by(name, ["operation", "backend"]);
    sums.into_iter().map(|(labels, sum)| (labels.join(" "), sum)).collect()
}

/// One connection: four bytes of length, and so much JSON.
pub(crate) struct Client(TcpStream);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the agent accepts a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline can be set");
        Self(stream)
    }

    pub(crate) fn put(&mut self, key: &str, value: &str) {
        self.done(&json!({ "type": "put", "key": key, "value": value }));
    }

    pub(crate) fn delete(&mut self, key: &str) {
        self.done(&json!({ "type": "delete", "key": key }));
    }

    pub(crate) fn ping(&mut self) {
        self.done(&json!({ "type": "ping" }));
    }

    pub(crate) fn get(&mut self, key: &str) -> Option<String> {
        let answer = self.ask(&json!({ "type": "get", "key": key }));
        assert_eq!(answer["type"], "value", "{answer}");
        answer["value"].as_str().map(str::to_owned)
    }

    fn done(&mut self, message: &Value) {
        assert_eq!(self.ask(message), json!({ "type": "done" }), "{message}");
    }

    pub(crate) fn ask(&mut self, message: &Value) -> Value {
        self.send_frame(message.to_string().as_bytes());
        self.receive().expect("the agent answers")
    }

    pub(crate) fn send_frame(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).expect("it is short").to_be_bytes();
        self.send_bytes(&[&length, frame].concat());
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the agent reads");
    }

    /// The next answer; `None` when the agent has ended the connection.
    pub(crate) fn receive(&mut self) -> Option<Value> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).ok()?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut frame).ok()?;
        Some(serde_json::from_slice(&frame).expect("the agent answers in JSON"))
    }
}
