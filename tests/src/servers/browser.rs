//! A real Chromium without a window, driven through chromedriver: the `WebDriver` protocol is JSON over HTTP.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use bytes::Bytes;
use http::{Request, Response, header};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::free_address;
use crate::client::Connection;
use crate::process::Process;
use crate::wait::DEADLINE;

/// A browser with one page; dropping it ends it.
#[derive(Debug)]
pub struct Browser {
    session: String,
    // The driver ends it. A driver that was killed would leave it running.
    chromium: Option<Pid>,
    // Dropped in this order: the process goes before its directory.
    _driver: Process,
    _profile: TempDir,
    address: SocketAddr,
}

impl Browser {
    /// Starts it with an empty page, 1400 by 1000 pixels.
    #[must_use]
    pub fn start() -> Self {
        let profile = TempDir::new().expect("a temporary directory can be made");
        // Not port 0: it asks for any port of IPv6, and ends when IPv4 has that one in use.
        let address = free_address();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={}", address.port()));
        // F-35, a neighbour: a user without a home, or with settings of their own there; a locale that is not installed.
        command.env("HOME", profile.path()).env("LC_ALL", "C.UTF-8");
        let driver = Process::start(command);
        driver
            .await_stdout(|line| line.contains("started successfully on port ").then_some(()))
            .unwrap_or_else(|error| panic!("chromedriver does not listen: {error}"));
        let arguments = [
            "--headless=new".to_owned(),
            "--window-size=1400,1000".to_owned(),
            format!("--user-data-dir={}", profile.path().join("data").display()),
            // The tests may run as root and in a container, where Chromium can neither lock itself in nor share much memory.
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            // It talks to nobody but the servers of the test.
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--no-first-run".to_owned(),
        ];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = answered(send(address, "POST", "/session", &capabilities));
        let id = session["sessionId"].as_str().expect("a session has an id");
        let chromium = session["capabilities"]["goog:processID"].as_i64();
        let chromium = chromium.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Self {
            session: format!("/session/{id}"),
            chromium,
            _driver: driver,
            _profile: profile,
            address,
        }
    }

    /// Goes to a page and waits until it is loaded.
    pub fn open(&self, url: impl Display) {
        self.command("url", &json!({ "url": url.to_string() }));
    }

    /// Loads the page again.
    pub fn reload(&self) {
        self.command("refresh", &json!({}));
    }

    /// Runs the body of a JavaScript function, in which `arguments` are these, and returns what it returns; a promise is
    /// awaited.
    #[must_use]
    pub fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// Presses a key, one of the letters that `WebDriver` has for those without.
    pub fn press(&self, key: char) {
        let action = |kind: &str| json!({ "type": kind, "value": key });
        let keyboard =
            json!({ "type": "key", "id": "keys", "actions": [action("keyDown"), action("keyUp")] });
        self.command("actions", &json!({ "actions": [keyboard] }));
    }

    /// Sends a command of Chromium's own protocol.
    pub fn devtools(&self, command: &str, parameters: &Value) {
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    /// Opens a tab in front of the others and returns what [`show`](Self::show) calls the one that was.
    #[must_use]
    pub fn cover(&self) -> String {
        let path = format!("{}/window", self.session);
        let covered = answered(send(self.address, "GET", &path, &Value::Null));
        let tab = self.command("window/new", &json!({ "type": "tab" }));
        self.show(tab["handle"].as_str().expect("a tab has a handle"));
        covered.as_str().expect("a tab has a handle").to_owned()
    }

    /// Brings a tab to the front.
    pub fn show(&self, tab: &str) {
        self.command("window", &json!({ "handle": tab }));
    }

    /// What the browser's console got since this was last asked, as `source: message`.
    #[must_use]
    pub fn console(&self) -> Vec<String> {
        let entries = self.command("se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().expect("a list").iter();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        entries
            .map(|entry| format!("{}: {}", text(entry, "source"), text(entry, "message")))
            .collect()
    }

    /// Answered once Chromium has ended.
    fn end(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        write!(stream, "DELETE {} HTTP/1.1\r\nHost: {}\r\n\r\n", self.session, self.address)?;
        stream.read_exact(&mut [0]).map(drop)
    }

    fn command(&self, name: &str, body: &Value) -> Value {
        answered(send(self.address, "POST", &format!("{}/{name}", self.session), body))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Nothing here may panic: the test may be doing that already.
        if self.end().is_err()
            && let Some(chromium) = self.chromium
        {
            // Fails only when it has already ended.
            let _ = kill_process(chromium, Signal::KILL);
        }
    }
}

fn send(address: SocketAddr, method: &str, path: &str, body: &Value) -> Response<Bytes> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::CONTENT_TYPE, "application/json");
    Connection::open(address).send(request.body(body).expect("a path is a URI"))
}

fn answered(response: Response<Bytes>) -> Value {
    let (head, body) = response.into_parts();
    let mut answer: Value = serde_json::from_slice(&body).expect("WebDriver answers in JSON");
    assert!(
        head.status.is_success(),
        "{}: {}",
        answer["value"]["error"],
        answer["value"]["message"]
    );
    answer["value"].take()
}
