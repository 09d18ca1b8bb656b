//! Upstreams that send what a test wants, byte by byte, and keep the requests that they received.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use asdlc_exporter::victoria_metrics::{QueryProxy, QueryProxyBuilder};
use asdlc_tests::wait::{DEADLINE, eventually};

pub(crate) struct Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    /// The requests on a connection after its first one.
    later: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    /// Each connection has one request. `respond` runs in its own thread.
    pub(crate) fn start(respond: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::reading(move |stream, _| respond(stream))
    }

    /// The same, and `respond` gets the request.
    pub(crate) fn reading(respond: impl Fn(&mut TcpStream, &str) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let (log, respond) = (Arc::clone(&seen), Arc::new(respond));
        // It ends with the process: no test needs the port again.
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let (log, respond) = (Arc::clone(&log), Arc::clone(&respond));
                thread::spawn(move || {
                    if let Some(request) = read_request(&mut stream) {
                        log.lock().unwrap().push(request.clone());
                        respond(&mut stream, &request);
                    }
                });
            }
        });
        Self { address, seen, later: Arc::default() }
    }

    /// Keeps connections open. `respond` gets the connection and the number of requests before this one, and returns
    /// whether the connection stays open.
    pub(crate) fn keeping(
        respond: impl Fn(&mut TcpStream, usize) -> bool + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&seen);
        let this = Self::start(move |stream| {
            let mut before = 0;
            while respond(stream, before) {
                let Some(request) = read_request(stream) else { return };
                log.lock().unwrap().push(request);
                before += 1;
            }
        });
        // `start` keeps the first request of each connection.
        Self { later: seen, ..this }
    }

    /// Responds with [`EMPTY`] when the gate opens.
    pub(crate) fn gated() -> (Gate, Self) {
        let gate = Gate::default();
        let held = gate.clone();
        let upstream = Self::start(move |stream| {
            held.wait();
            let _ = stream.write_all(json(EMPTY).as_bytes());
        });
        (gate, upstream)
    }

    /// Responds to each request with these bytes and closes the connection.
    pub(crate) fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |stream| {
            let _ = stream.write_all(&bytes);
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A proxy of this upstream with default settings.
    pub(crate) fn proxy(&self) -> QueryProxyBuilder {
        QueryProxy::builder(self.url().as_str())
    }

    /// The requests that arrived, each with head and body.
    pub(crate) fn seen(&self) -> Vec<String> {
        let mut seen = self.seen.lock().unwrap().clone();
        seen.extend_from_slice(&self.later.lock().unwrap());
        seen
    }

    pub(crate) fn await_seen(&self, requests: usize) {
        let arrived = eventually(DEADLINE, || self.seen().len() >= requests);
        assert!(arrived, "{} of {requests} requests arrived", self.seen().len());
    }
}

/// A complete response with this JSON body.
pub(crate) fn json(body: &str) -> String {
    let length = body.len();
    format!("{HEAD}Content-Length: {length}\r\n\r\n{body}")
}

/// The same, on a connection that stays open.
pub(crate) fn kept_json(body: &str) -> String {
    json(body).replace("Connection: close\r\n", "")
}

/// The head of a JSON response without its length. The connection closes after it.
pub(crate) const HEAD: &str =
    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n";

pub(crate) const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

/// Closes the connection with a reset.
pub(crate) fn reset(stream: &TcpStream) {
    // Unread data would also cause a reset, but there may be none.
    let socket = rustix::net::sockopt::set_socket_linger(stream, Some(std::time::Duration::ZERO));
    socket.unwrap();
    let _ = stream.shutdown(Shutdown::Read);
}

/// Waits until the other side closes the connection.
pub(crate) fn await_close(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("the connection is not closed: {other:?}"),
    }
}

/// An event that happens once and that threads wait for.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Returns whether the gate was opened in time.
    pub(crate) fn wait(&self) -> bool {
        let closed = self.0.0.lock().unwrap();
        *self.0.1.wait_timeout_while(closed, DEADLINE, |open| !*open).unwrap().0
    }
}

/// Head and body; `None` when the connection closes before their end.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_lowercase();
            let length =
                length.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => bytes.extend_from_slice(&buffer[..read]),
            _ => return None,
        }
    }
}
