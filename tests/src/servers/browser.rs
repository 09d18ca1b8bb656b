//! A real headless Chromium, controlled through chromedriver. The `WebDriver` protocol is JSON over HTTP.

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

/// A browser with one page. Dropping it ends the browser.
#[derive(Debug)]
pub struct Browser {
    session: String,
    // Usually the driver ends Chromium. A driver that was killed would leave it running.
    chromium: Option<Pid>,
    // Fields are dropped in this order: the process ends before its directory is removed.
    _driver: Process,
    _profile: TempDir,
    address: SocketAddr,
}

impl Browser {
    /// Starts a browser with an empty page of 1400 by 1000 pixels.
    #[must_use]
    pub fn start() -> Self {
        let profile = TempDir::new().expect("a temporary directory can be made");
        // Not port 0: chromedriver then chooses a port for IPv6, and fails if that port is in use for IPv4.
        let address = free_address();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={}", address.port()));
        // F-35, a neighbour: the user may have no home directory, own settings there, or a locale that is not installed.
        command.env("HOME", profile.path()).env("LC_ALL", "C.UTF-8");
        let driver = Process::start(command);
        driver
            .await_stdout(|line| line.contains("started successfully on port ").then_some(()))
            .unwrap_or_else(|error| panic!("chromedriver does not listen: {error}"));
        let arguments = [
            "--headless=new".to_owned(),
            "--window-size=1400,1000".to_owned(),
            format!("--user-data-dir={}", profile.path().join("data").display()),
            // The tests may run as root and in a container, where Chromium has no sandbox and little shared memory.
            "--no-sandbox".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            // No connections except those to the servers of the test.
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--no-first-run".to_owned(),
        ];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = value_of(send(address, "POST", "/session", &capabilities));
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

    /// Opens a page and waits until it is loaded.
    pub fn open(&self, url: impl Display) {
        self.command("url", &json!({ "url": url.to_string() }));
    }

    /// Reloads the page.
    pub fn reload(&self) {
        self.command("refresh", &json!({}));
    }

    /// Runs the body of a JavaScript function with these `arguments`, and returns its result. A promise is awaited.
    #[must_use]
    pub fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": arguments }))
    }

    /// Presses a key, given as a character. `WebDriver` assigns characters to the keys without one.
    pub fn press(&self, key: char) {
        let action = |kind: &str| json!({ "type": kind, "value": key });
        let keyboard =
            json!({ "type": "key", "id": "keys", "actions": [action("keyDown"), action("keyUp")] });
        self.command("actions", &json!({ "actions": [keyboard] }));
    }

    /// Sends a command of the Chrome `DevTools` protocol.
    pub fn devtools(&self, command: &str, parameters: &Value) {
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    /// Opens a new tab in front, and returns the handle of the previous one for [`show`](Self::show).
    #[must_use]
    pub fn cover(&self) -> String {
        let path = format!("{}/window", self.session);
        let covered = value_of(send(self.address, "GET", &path, &Value::Null));
        let tab = self.command("window/new", &json!({ "type": "tab" }));
        self.show(tab["handle"].as_str().expect("a tab has a handle"));
        covered.as_str().expect("a tab has a handle").to_owned()
    }

    /// Brings a tab to the front.
    pub fn show(&self, tab: &str) {
        self.command("window", &json!({ "handle": tab }));
    }

    /// The entries of the browser's console since the last call, as `source: message`.
    #[must_use]
    pub fn console(&self) -> Vec<String> {
        let entries = self.command("se/log", &json!({ "type": "browser" }));
        let entries = entries.as_array().expect("a list").iter();
        let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        entries
            .map(|entry| format!("{}: {}", text(entry, "source"), text(entry, "message")))
            .collect()
    }

    /// Ends the session. The response arrives when Chromium has ended.
    fn end(&self) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        write!(stream, "DELETE {} HTTP/1.1\r\nHost: {}\r\n\r\n", self.session, self.address)?;
        stream.read_exact(&mut [0]).map(drop)
    }

    fn command(&self, name: &str, body: &Value) -> Value {
        value_of(send(self.address, "POST", &format!("{}/{name}", self.session), body))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // This must not panic, because the test may be panicking already.
        if self.end().is_err()
            && let Some(chromium) = self.chromium
        {
            // This fails only if Chromium has already ended.
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

fn value_of(response: Response<Bytes>) -> Value {
    let (head, body) = response.into_parts();
    let mut content: Value = serde_json::from_slice(&body).expect("WebDriver responds with JSON");
    assert!(
        head.status.is_success(),
        "{}: {}",
        content["value"]["error"],
        content["value"]["message"]
    );
    content["value"].take()
}
